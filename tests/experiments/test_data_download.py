"""Downloads, from a server on this machine: whole or not at all, taken up again, or refused in one sentence."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import socket
import sys
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import fieldsolver as fs
from fieldsolver.errors import DataUnavailable, MissingDependencyError
from fieldsolver.experiments.data import DATASETS, load_text, remote
from fieldsolver.experiments.data.remote import RemoteFile, fetch

CONTENT = bytes(range(256)) * 4000  # about a megabyte


@dataclass
class Server:
    """What the server has, what was asked of it, and how it misbehaves."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str | None] = field(default_factory=list)  # the Range of each request
    break_after: int | None = None
    ranges: bool = True

    def remote(self, name: str, content: bytes | None = None, *, checksum: bool = True) -> RemoteFile:
        if content is not None:
            self.files[f"/{name}"] = content
        digest = hashlib.md5(self.files[f"/{name}"]).hexdigest()
        return RemoteFile(name, f"{self.url}/{name}", *(("md5", digest) if checksum else ()))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append(wanted)
            content = state.files.get(self.path)
            first = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and state.ranges else 0
            if content is None or first >= len(content):
                self.send_error(404 if content is None else 416)
                return
            self.send_response(206 if first else 200)
            self.send_header("Content-Length", str(len(content) - first))
            self.end_headers()
            self.wfile.write(content[first:][: state.break_after])

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        state.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        running.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("FIELDSOLVER_DATA", raising=False)
    monkeypatch.setenv("FIELDSOLVER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class TestFetch:
    def test_once(self, server: Server, cache: Path) -> None:
        file = server.remote("a.bin", CONTENT)
        path = fetch(file, cache)
        assert path.read_bytes() == CONTENT
        assert fetch(file, cache) == path
        assert server.asked == [None]
        assert list(cache.iterdir()) == [path]

    def test_a_broken_transfer_is_continued(self, server: Server, cache: Path) -> None:
        file = server.remote("a.bin", CONTENT)
        server.break_after = 300_000
        with pytest.raises(DataUnavailable, match=r"broke off after 300,000 of 1,024,000 bytes; repeat it to go on"):
            fetch(file, cache)
        assert [path.name for path in cache.iterdir()] == ["a.bin.part"]
        server.break_after = None
        assert fetch(file, cache).read_bytes() == CONTENT
        assert server.asked == [None, "bytes=300000-"]

    def test_a_server_that_cannot_continue(self, server: Server, cache: Path) -> None:
        file = server.remote("a.bin", CONTENT)
        cache.mkdir()
        (cache / "a.bin.part").write_bytes(CONTENT[:1000])
        server.ranges = False
        assert fetch(file, cache).read_bytes() == CONTENT

    def test_a_part_that_is_longer_than_the_file(self, server: Server, cache: Path) -> None:
        file = server.remote("a.bin", CONTENT)
        cache.mkdir()
        (cache / "a.bin.part").write_bytes(CONTENT + b"more")
        assert fetch(file, cache).read_bytes() == CONTENT

    def test_without_a_checksum_nothing_is_continued(self, server: Server, cache: Path) -> None:
        file = server.remote("a.bin", CONTENT, checksum=False)
        server.break_after = 1000
        with pytest.raises(DataUnavailable, match="broke off"):
            fetch(file, cache)
        assert list(cache.iterdir()) == []
        (cache / "a.bin.part").write_bytes(b"something else")
        server.break_after = None
        assert fetch(file, cache).read_bytes() == CONTENT
        assert server.asked == [None, None]

    def test_a_wrong_checksum_leaves_nothing(self, server: Server, cache: Path) -> None:
        file = replace(server.remote("a.bin", CONTENT), checksum="0" * 32)
        with pytest.raises(DataUnavailable, match=r"has md5 \w{32}, expected 0{32}; nothing was kept.*try again"):
            fetch(file, cache)
        assert list(cache.iterdir()) == []

    def test_a_wrong_beginning_is_not_continued_for_ever(self, server: Server, cache: Path) -> None:
        file = server.remote("a.bin", CONTENT)
        cache.mkdir()
        (cache / "a.bin.part").write_bytes(b"x" * 1000)
        with pytest.raises(DataUnavailable, match="nothing was kept"):
            fetch(file, cache)
        assert fetch(file, cache).read_bytes() == CONTENT

    def test_an_interruption_keeps_the_part(self, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = server.remote("a.bin", CONTENT)
        read, calls = HTTPResponse.read, iter(range(10))

        def interrupted(self: HTTPResponse, amount: int | None = None) -> bytes:
            if next(calls) == 2:
                raise KeyboardInterrupt
            return read(self, amount)

        with monkeypatch.context() as patch:
            patch.setattr(HTTPResponse, "read", interrupted)
            with pytest.raises(KeyboardInterrupt):
                fetch(file, cache)
        assert [path.name for path in cache.iterdir()] == ["a.bin.part"]
        assert fetch(file, cache).read_bytes() == CONTENT
        assert server.asked == [None, f"bytes={2 * remote.CHUNK}-"]

    def test_no_room_on_disk(self, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(DataUnavailable, match="No space left on device"):
            fetch(server.remote("a.bin", CONTENT), cache)
        assert not (cache / "a.bin").exists()

    def test_no_such_file(self, server: Server, cache: Path) -> None:
        with pytest.raises(DataUnavailable, match="the server answers 404"):
            fetch(RemoteFile("a.bin", f"{server.url}/absent"), cache)

    def test_nobody_listens(self, cache: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with pytest.raises(DataUnavailable, match="Connection refused"):
            fetch(RemoteFile("a.bin", f"http://127.0.0.1:{port}/a.bin"), cache)

    def test_a_cache_that_is_no_folder(self, server: Server, cache: Path) -> None:
        cache.write_text("", encoding="utf-8")
        with pytest.raises(DataUnavailable, match="cannot be fetched: File exists"):
            fetch(server.remote("a.bin", CONTENT), cache)

    @pytest.mark.skipif(sys.platform == "win32", reason="no folder locks")
    def test_of_several_one_downloads(self, server: Server, cache: Path) -> None:
        file = server.remote("a.bin", CONTENT)
        threads = [threading.Thread(target=fetch, args=(file, cache)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (cache / "a.bin").read_bytes() == CONTENT
        assert server.asked == [None]


def archive(reviews: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as opened:
        for name, text in reviews.items():
            info = tarfile.TarInfo(f"aclImdb/{name}")
            info.size = len(text.encode())
            opened.addfile(info, io.BytesIO(text.encode()))
    return stream.getvalue()


REVIEWS = {
    "README": "about",
    "train/pos/0_9.txt": "good<br />film",
    "train/neg/10_1.txt": "third",
    "train/neg/2_4.txt": "second",
    "train/neg/0_3.txt": "first",
    "train/unsup/0_0.txt": "unlabelled",
    "test/neg/0_2.txt": "bad",
    "test/pos/0_10.txt": "great",
}


class TestLoadText:
    @staticmethod
    def serve(
        monkeypatch: pytest.MonkeyPatch, server: Server, name: str, contents: list[bytes], rows: tuple[int, int]
    ) -> None:
        """Let the data set of this name come from the server."""
        dataset = DATASETS[name]
        files = [
            server.remote(file.name, content) for file, content in zip(dataset.download.files, contents, strict=True)
        ]
        changed = replace(dataset, rows=rows, download=replace(dataset.download, files=files))
        monkeypatch.setitem(DATASETS, name, changed)

    def test_the_complete_ag_news(self, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        train = "".join(f'"{1 + i % 4}","title {i}","text #39;{i} #39;"\n' for i in range(40)).encode()
        self.serve(monkeypatch, server, "ag_news", [train, b'"3","a","b"\n'], (40, 1))
        data = load_text("ag_news", validation=0.1)
        assert data.note == "trained on 36 of 40 rows, 4 more for validation"
        assert data.test.texts == ["a b"]
        again = load_text("ag_news", validation=0.1)
        assert again.fingerprint == data.fingerprint
        assert len(server.asked) == 2

    def test_the_archive_of_imdb(self, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.serve(monkeypatch, server, "imdb", [archive(REVIEWS)], (4, 2))
        data = load_text("imdb", validation=0)
        assert data.train.texts == ["first", "second", "third", "good film"]
        assert data.train.labels.tolist() == [0, 0, 0, 1]
        assert data.test.texts == ["bad", "great"]

    def test_an_archive_that_is_none(self, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.serve(monkeypatch, server, "imdb", [archive(REVIEWS)[:-200]], (4, 2))
        with pytest.raises(fs.FileFormatError, match=r"is truncated or no tar\.gz archive"):
            load_text("imdb")

    def test_the_tables_of_dbpedia(self, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pyarrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")

        def table(contents: list[str | None], labels: list[int]) -> bytes:
            sink = io.BytesIO()
            titles = ["Title" for _ in contents]
            parquet.write_table(pyarrow.table({"label": labels, "title": titles, "content": contents}), sink)
            return sink.getvalue()

        self.serve(
            monkeypatch, server, "dbpedia", [table(["One, two.", "Drei!"], [0, 13]), table(["Vier"], [7])], (2, 1)
        )
        data = load_text("dbpedia", validation=0)
        assert data.train.texts == ["one two", "drei"]
        assert data.test.labels.tolist() == [7]
        assert data.note == "content only; trained on all 2 rows"
        (cache / "data" / "dbpedia" / "test.parquet").write_bytes(table([None], [1]))
        with pytest.raises(fs.FileFormatError, match="row 0 has no content"):
            load_text("dbpedia")
        (cache / "data" / "dbpedia" / "test.parquet").write_bytes(b"PAR1 or not")
        with pytest.raises(fs.FileFormatError, match="is no Parquet table with label and content"):
            load_text("dbpedia")

    def test_without_pyarrow(self, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.serve(monkeypatch, server, "dbpedia", [b"a", b"b"], (1, 1))
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(MissingDependencyError, match=r"pip install 'fieldsolver\[experiments\]'"):
            load_text("dbpedia")

    def test_too_few_rows(self, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.serve(monkeypatch, server, "ag_news", [b'"1","a","b"\n', b'"3","a","b"\n'], (2, 1))
        with pytest.raises(fs.FileFormatError, match=r"has 1 \+ 1 rows, expected 2 \+ 1; remove the folder"):
            load_text("ag_news")

    def test_nothing_anywhere(self, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.serve(monkeypatch, server, "ag_news", [b"a", b"b"], (1, 1))
        server.files.clear()
        with pytest.raises(DataUnavailable) as caught:
            load_text("ag_news")
        for part in ("FIELDSOLVER_DATA is not set", str(cache), "404", "ag_news_train_subset.csv.xz"):
            assert part in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_the_cache_follows_the_standard_variables(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from fieldsolver.experiments.data.places import cache_folder

        monkeypatch.setenv("FIELDSOLVER_CACHE", str(tmp_path / "own"))
        assert cache_folder() == tmp_path / "own"
        monkeypatch.delenv("FIELDSOLVER_CACHE")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert cache_folder() == tmp_path / "xdg" / "fieldsolver"
        monkeypatch.setenv("XDG_CACHE_HOME", "relative")
        assert cache_folder() == Path.home() / ".cache" / "fieldsolver"
