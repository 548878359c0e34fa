"""Files from the network: whole and with the right checksum, or not at all; interrupted ones are taken up again."""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO

from fieldsolver.errors import DataUnavailable
from fieldsolver.solve.progress import ProgressBar

CHUNK = 1 << 18
TIMEOUT = 30.0  # seconds without a byte


@dataclass(frozen=True)
class RemoteFile:
    """A file of a standard source.

    Attributes:
        name: on this machine.
        url: where it comes from.
        algorithm: of the checksum, a name known to hashlib; empty: none was published.
        checksum: hexadecimal digits.
    """

    name: str
    url: str
    algorithm: str = ""
    checksum: str = ""


def fetch(file: RemoteFile, folder: Path, progress: bool | None = None) -> Path:
    """The path of the file in this folder, downloaded if it is not there.

    What an interrupted download left is kept beside it (``.part``) and continued, where a checksum can tell that the
    result is right. Of several processes one downloads, the others wait.

    Args:
        file: what to fetch.
        folder: made if it is missing.
        progress: bar on the terminal: True always, False never, None where somebody is looking.

    Raises:
        DataUnavailable: no network, no such file, a transfer that broke off, a wrong checksum, no room on disk.
    """
    path = folder / file.name
    if path.exists():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            if not path.exists():  # another process may have been faster
                _download(file, path, progress)
    except DataUnavailable:
        raise
    except (OSError, HTTPException) as error:  # URLError and TimeoutError are OSErrors
        raise DataUnavailable(f"{file.url} cannot be fetched: {_reason(error)}") from None
    return path


def _download(file: RemoteFile, path: Path, progress: bool | None) -> None:
    partial = path.with_name(path.name + ".part")
    try:
        with partial.open("ab") as output:
            _transfer(file, output, progress)
        _compare(file, partial)
        os.replace(partial, path)
    finally:
        if partial.exists() and not (file.checksum and partial.stat().st_size):
            partial.unlink()


def _transfer(file: RemoteFile, output: IO[bytes], progress: bool | None) -> None:
    """Append what is missing; start over if the server cannot continue."""
    if not file.checksum:  # nothing could tell whether two halves belong together
        output.truncate(0)
    have = output.seek(0, os.SEEK_END)
    with _opened(file.url, have) as response:
        if have and response.status != 206:
            have = output.truncate(0)
        rest = response.length  # None: the server does not say
        total = None if rest is None else have + rest
        with ProgressBar(f"fetching {file.name}", progress) as bar:
            while chunk := response.read(CHUNK):
                output.write(chunk)
                have += len(chunk)
                if total:
                    bar(have / total)
        output.flush()
        os.fsync(output.fileno())
    if total is not None and have < total:
        raise ConnectionError(f"the transfer broke off after {have:,} of {total:,} bytes; repeat it to go on")


def _opened(url: str, first: int) -> HTTPResponse:
    request = urllib.request.Request(url, headers={"User-Agent": "fieldsolver"})
    if first:
        request.add_header("Range", f"bytes={first}-")
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if first and error.code == 416:  # the part is as long as the file, or longer: it is not the beginning of it
            return _opened(url, 0)
        raise


def _compare(file: RemoteFile, partial: Path) -> None:
    """Remove what has not the right checksum: continuing it would never make it right."""
    if not file.checksum:
        return
    with partial.open("rb") as opened:
        got = hashlib.file_digest(opened, file.algorithm).hexdigest()
    if got != file.checksum:
        os.truncate(partial, 0)
        raise DataUnavailable(
            f"{file.url} has {file.algorithm} {got}, expected {file.checksum}; nothing was kept: the transfer was "
            "damaged or the source has changed; try again"
        )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; other processes that want it wait. Where folders have no locks, nobody waits."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # releases the lock


def _reason(error: OSError | HTTPException) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return str(getattr(error.reason, "strerror", None) or error.reason)
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
