"""Data sets: read from packs, cleaned, divided without overlap, and refused in one sentence when they are broken."""

from __future__ import annotations

import csv
import io
import json
import lzma
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import fieldsolver as fs
from fieldsolver.errors import DataUnavailable, FieldSolverError
from fieldsolver.experiments.data import DATASETS, TextSplit, ag_news, dbpedia, imdb, load_corpus, load_text
from fieldsolver.experiments.data.division import divided
from fieldsolver.experiments.data.splits import fingerprint_of

HEADER = ["label", "title", "description", "src"]


def as_csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def news(number: int, what: str = "train") -> list[list[str]]:
    return [[str(1 + index % 4), f"{what} {index}", "of the day"] for index in range(number)]


def write_packs(folder: Path, train: list[list[str]], test: list[list[str]]) -> Path:
    (folder / "ag_news_train_subset.csv.xz").write_bytes(lzma.compress(as_csv([HEADER, *([*r, "j"] for r in train)])))
    (folder / "ag_news_test.csv.xz").write_bytes(lzma.compress(as_csv(test)))
    return folder


def write_reviews(folder: Path, train: list[dict[str, object]]) -> Path:
    test = [{"label": 0, "text": "bad"}, {"label": 1, "text": "good"}]
    for name, rows in (("imdb_train", train), ("imdb_test", test)):
        lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        (folder / f"{name}.jsonl.xz").write_bytes(lzma.compress(lines.encode()))
    return folder


@pytest.fixture
def packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """AG News with 80 training and 8 test rows; no other place is known."""
    monkeypatch.delenv("FIELDSOLVER_DATA", raising=False)
    monkeypatch.setenv("FIELDSOLVER_CACHE", str(tmp_path / "cache"))
    return write_packs(tmp_path, news(80), news(8, "test"))


class TestLoading:
    def test_packs_in_a_folder(self, packs: Path) -> None:
        data = load_text("ag_news", folder=packs, validation=0.25)
        assert [len(data.train), len(data.validation), len(data.test)] == [60, 20, 8]
        assert data.test.texts[0] == "test 0 of the day"
        assert data.test.labels.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
        assert data.classes == ("World", "Sports", "Business", "Sci/Tech")
        assert data.note == "trained on 60 of 120,000 rows, 20 more for validation; tested on 8 of 7,600 rows"
        assert data.licence == "research, non-commercial"

    def test_the_environment_names_the_folder(self, packs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FIELDSOLVER_DATA", str(packs))
        assert load_text("ag_news").fingerprint == load_text("ag_news", folder=packs).fingerprint

    def test_the_validation_split_is_stratified_and_drawn_by_seed(self, packs: Path) -> None:
        data = load_text("ag_news", folder=packs, validation=0.25)
        assert Counter(data.validation.labels.tolist()) == {0: 5, 1: 5, 2: 5, 3: 5}
        again, other = (load_text("ag_news", folder=packs, validation=0.25, seed=seed) for seed in (0, 1))
        assert again.validation.texts == data.validation.texts
        assert again.fingerprint == data.fingerprint
        assert other.validation.texts != data.validation.texts
        assert other.fingerprint != data.fingerprint

    def test_the_fingerprint_is_of_texts_labels_and_division(self) -> None:
        def of(*texts: str, labels: tuple[int, ...] = (0, 1)) -> str:
            return fingerprint_of(TextSplit(list(texts), np.array(labels)))

        assert of("a", "b") == of("a", "b")
        assert len({of("a", "b"), of("ab", ""), of("", "ab"), of("b", "a"), of("a", "b", labels=(1, 0))}) == 5

    def test_no_validation(self, packs: Path) -> None:
        data = load_text("ag_news", folder=packs, validation=0)
        assert (len(data.train), len(data.validation)) == (80, 0)
        assert "validation" not in data.note

    def test_a_part_for_tuning(self, packs: Path) -> None:
        data = load_text("ag_news", folder=packs, validation=0.25)
        part = data.part(0.2)
        assert Counter(part.train.labels.tolist()) == {0: 3, 1: 3, 2: 3, 3: 3}
        assert set(part.train.texts) < set(data.train.texts)
        assert len(part.validation) == 4
        assert part.test.texts == data.test.texts
        assert part.fingerprint != data.fingerprint
        assert data.part(1.0) is data
        with pytest.raises(fs.OptionError, match=r"a fraction in \(0, 1\], got 0"):
            data.part(0)

    def test_tiny_shakespeare_is_cut_at_nine_tenths(self, packs: Path) -> None:
        (packs / "tinyshakespeare.txt.xz").write_bytes(lzma.compress(b"to be or n"))
        corpus = load_corpus("tiny_shakespeare", folder=packs)
        assert (corpus.train, corpus.validation) == ("to be or ", "n")

    def test_every_data_set_says_what_it_may_be_used_for(self) -> None:
        for dataset in DATASETS.values():
            assert dataset.licence
            assert dataset.citation
            assert len(set(dataset.classes)) == len(dataset.classes)


class TestDivision:
    @staticmethod
    def split(*texts: str) -> TextSplit:
        return TextSplit(list(texts), np.arange(len(texts)) % 2)

    def test_what_is_in_the_test_split_is_left_out_of_training(self) -> None:
        division = divided(self.split("a", "b", "c", "d"), self.split("c", "x"), 0.0, 0)
        assert division.train.texts == ["a", "b", "d"]
        assert division.omissions == "left out for being in the test split: 1"

    @pytest.mark.parametrize("seed", range(5))
    def test_copies_stay_on_one_side(self, seed: int) -> None:
        texts = [f"text {index % 20}" for index in range(60)]
        division = divided(TextSplit(texts, np.arange(60) % 20 % 2), self.split("x", "y"), 0.3, seed)
        assert not set(division.train.texts) & set(division.validation.texts)
        assert len(division.train) + len(division.validation) == 60
        assert len(division.validation) == 18  # 3 of 10 groups of 3, for both classes
        assert "copies of others: 40" in division.omissions

    def test_a_copy_of_what_is_in_the_test_split_is_nowhere_else(self) -> None:
        train = TextSplit(["a", "t", "b", "t", "c", "d"], np.array([0, 0, 0, 1, 1, 1]))
        division = divided(train, self.split("t", "u"), 0.5, 3)
        assert sorted(division.train.texts + division.validation.texts) == ["a", "b", "c", "d"]

    def test_the_only_sample_of_a_class_stays_for_training(self) -> None:
        division = divided(TextSplit(["a", "b", "c"], np.array([0, 0, 1])), self.split("x"), 0.5, 0)
        assert set(division.train.labels.tolist()) == {0, 1}


class TestCleaning:
    @pytest.mark.parametrize(
        ("raw", "clean"),
        [
            ("America #39;s  #36;10 million", "America's $10 million"),
            (" quot;Hello quot; AT amp;T", '"Hello" AT&T'),
            (r"A second\team paid\$5", "A second team paid $5"),
            ('&lt;b&gt;By&lt;/b&gt; &lt;A HREF="x.y"&gt;Reuters&lt;/A&gt;', "By Reuters"),
            ("Apple &lt;AAPL.O&gt; and &lt;A.N&gt; rose", "Apple <AAPL.O> and <A.N> rose"),
            ("issue #3; room", "issue #3; room"),
        ],
    )
    def test_ag_news_clean(self, raw: str, clean: str) -> None:
        assert ag_news.cleaned(raw) == clean

    def test_ag_news_is_as_published_but_for_line_ends(self, packs: Path) -> None:
        raw = r"A #39;second #39;\team &lt;b&gt;\\"
        assert ag_news.published(raw) == "A #39;second #39; team &lt;b&gt;"
        write_packs(packs, [["1", "Title", raw]], news(8, "test"))
        texts = {name: load_text(name, folder=packs, validation=0).train.texts for name in ("ag_news", "ag_news_clean")}
        assert texts == {
            "ag_news": ["Title A #39;second #39; team &lt;b&gt;"],
            "ag_news_clean": ["Title A'second' team"],
        }

    def test_imdb(self) -> None:
        assert imdb.cleaned("Good.<br /><br />Very <i>good</i><BR/>.") == "Good. Very <i>good</i> ."

    def test_dbpedia(self) -> None:
        assert dbpedia.normalised("Zoë– 2nd (b. 1944) ,\tU.S.A") == "zo 2nd b 1944 u s a"


class TestReviews:
    def test_characters_that_python_takes_for_line_ends_are_text(self, tmp_path: Path) -> None:
        rows: list[dict[str, object]] = [
            {"id": 0, "stars": 1, "label": 0, "text": "cut\x85here\u2028and there"},
            {"id": 1, "stars": 9, "label": 1, "text": "fine"},
        ]
        data = load_text("imdb", folder=write_reviews(tmp_path, rows), validation=0)
        assert data.train.texts == ["cut\x85here\u2028and there", "fine"]
        assert data.train.labels.tolist() == [0, 1]

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ({"label": 1, "stars": 2, "text": "bad"}, r"line 1: 2 stars are labelled positive"),
            ({"label": 2, "text": "bad"}, r"line 1: the label 2 is none of 0\.\.1 \(negative, positive\)"),
            ({"label": True, "text": "bad"}, r"line 1: the label 'True' is no whole number"),
            ({"label": 1, "review": "bad"}, r"line 1 has no 'text'; it has label, review"),
            ({"label": 1, "text": None}, r"line 1: the text is no string, but NoneType"),
        ],
    )
    def test_rows_that_cannot_be_right(self, tmp_path: Path, row: dict[str, object], message: str) -> None:
        with pytest.raises(fs.FileFormatError, match=message):
            load_text("imdb", folder=write_reviews(tmp_path, [row]))

    @pytest.mark.parametrize("line", ["{'label': 1}", "[1, 2]", '{"label": 1, "text": "cut'])
    def test_lines_that_are_no_object(self, tmp_path: Path, line: str) -> None:
        write_reviews(tmp_path, [])
        (tmp_path / "imdb_train.jsonl.xz").write_bytes(lzma.compress(line.encode()))
        with pytest.raises(fs.FileFormatError, match="line 1 is no JSON"):
            load_text("imdb", folder=tmp_path)


def compressed(rows: list[list[str]]) -> bytes:
    return lzma.compress(as_csv(rows))


def in_encoding(encoding: str) -> bytes:
    return lzma.compress("label,title,description\n1,Zoë,café".encode(encoding))


ROW = ["1", "title", "words"]
BROKEN = {
    "truncated": (compressed(news(400))[:-40], r"is truncated or no xz file .*copy it again"),
    "not xz": (b"label,title,description\n", r"is truncated or no xz file"),
    "empty": (b"", r"is empty; copy it again"),
    "nothing compressed": (lzma.compress(b""), r"is empty; copy it again"),
    "Latin-1": (in_encoding("latin-1"), r"is not UTF-8: line 2 has the byte 0xeb; convert it"),
    "UTF-16": (in_encoding("utf-16"), r"is UTF-16, expected UTF-8; convert it with 'iconv -f UTF-16 -t UTF-8'"),
    "NUL": (lzma.compress(b"label,title\0,description\n"), r"holds NUL characters"),
    "class 7 of 4": (compressed([HEADER[:3], ROW, ["7", "a", "b"]]), r"row 3: the label 7 is none of 1\.\.4 \(World"),
    "class 0": (compressed([HEADER[:3], ["0", "a", "b"]]), r"row 2: the label 0 is none of 1\.\.4"),
    "no number": (
        compressed([HEADER[:3], ["Sports", "a", "b"]]),
        r"row 2: the label 'Sports' is no whole number 1\.\.4",
    ),
    "missing column": (compressed([["label", "title"], ["1", "a"]]), r"has no column 'description'; its first row is"),
    "header only": (compressed([HEADER[:3]]), r"hold 0 training and 8 test texts; copy them again"),
    "no header": (compressed([ROW]), r"has no column 'label'; its first row is '1,title,words'"),
    "short row": (compressed([HEADER[:3], ROW, ["1", "a"]]), r"row 3 has 2 columns, expected 3"),
    "long row": (compressed([HEADER[:3], [*ROW, "more"]]), r"row 2 has 4 columns, expected 3"),
    "open quotation": (lzma.compress(b'label,title,description\n1,"a,b\n'), r"is no comma-separated file"),
}


class TestBrokenFiles:
    @pytest.mark.parametrize("kind", BROKEN)
    def test_one_sentence(self, packs: Path, kind: str) -> None:
        content, message = BROKEN[kind]
        (packs / "ag_news_train_subset.csv.xz").write_bytes(content)
        with pytest.raises(fs.FileFormatError, match=message) as caught:
            load_text("ag_news", folder=packs)
        assert "ag_news" in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_byte_order_mark_is_no_column(self, packs: Path) -> None:
        (packs / "ag_news_train_subset.csv.xz").write_bytes(in_encoding("utf-8-sig"))
        assert load_text("ag_news", folder=packs, validation=0).train.texts == ["Zoë café"]

    def test_a_folder_instead_of_a_file(self, packs: Path) -> None:
        (packs / "ag_news_test.csv.xz").unlink()
        (packs / "ag_news_test.csv.xz").mkdir()
        with pytest.raises(fs.FileFormatError, match="is a folder; a data file was expected"):
            load_text("ag_news", folder=packs)

    def test_no_right_to_read(self, packs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(self: Path) -> bytes:  # the tests may run as root, who may read everything
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "read_bytes", refuse)
        with pytest.raises(fs.FileFormatError, match="cannot be read: Permission denied"):
            load_text("ag_news", folder=packs)

    def test_one_of_two_packs(self, packs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (packs / "ag_news_test.csv.xz").unlink()
        monkeypatch.setenv("FIELDSOLVER_DATA", str(packs))
        with pytest.raises(fs.FileFormatError, match=r"has no ag_news_test\.csv\.xz; copy it there"):
            load_text("ag_news")

    def test_a_long_field_is_no_fault(self, packs: Path) -> None:
        write_packs(packs, [["1", "a", "b" * 200_000]], news(8, "test"))
        assert len(load_text("ag_news", folder=packs, validation=0).train.texts[0]) == 200_002
        assert csv.field_size_limit() < 200_000  # the setting of the process is as it was

    def test_no_folder(self, packs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(fs.OptionError, match=r"folder= names .*which is no folder"):
            load_text("ag_news", folder=packs / "absent")
        monkeypatch.setenv("FIELDSOLVER_DATA", str(packs / "absent"))
        with pytest.raises(fs.OptionError, match=r"\$FIELDSOLVER_DATA names .*which is no folder"):
            load_text("ag_news")

    def test_unknown_names_and_fractions(self, packs: Path) -> None:
        with pytest.raises(fs.OptionError, match="did you mean 'ag_news'"):
            load_text("agnews", folder=packs)
        with pytest.raises(fs.OptionError, match="did you mean 'tiny_shakespeare'"):
            load_corpus("shakespeare_tiny", folder=packs)
        with pytest.raises(fs.OptionError, match=r"validation is a fraction in \[0, 1\)"):
            load_text("ag_news", folder=packs, validation=1.0)

    def test_an_absence_is_an_error_of_the_package(self) -> None:
        assert issubclass(DataUnavailable, FieldSolverError)  # the command line ends with code 1 and its sentence


REAL = os.environ.get("FIELDSOLVER_DATA")


@pytest.mark.skipif(not REAL, reason="needs FIELDSOLVER_DATA")
class TestRealPacks:
    @pytest.mark.parametrize(
        ("name", "rows", "note"),
        [
            ("ag_news", (40_169, 7_600), "trained on 40,169 of 120,000 rows"),
            ("ag_news_clean", (40_166, 7_600), "trained on 40,166 of 120,000 rows; left out for being in the test"),
            ("dbpedia", (14_000, 7_600), "subset, content only; trained on 14,000 of 560,000 rows; tested on 7,600 of"),
            pytest.param(
                "imdb", (24_877, 25_000), "trained on 24,877 of 25,000 rows; left out", marks=pytest.mark.slow
            ),
        ],
    )
    def test_rows(self, name: str, rows: tuple[int, int], note: str) -> None:
        data = load_text(name, validation=0)
        assert (len(data.train), len(data.test)) == rows
        assert data.note.startswith(note)
        assert set(data.train.labels.tolist()) == set(range(len(data.classes)))
        assert not set(data.train.texts) & set(data.test.texts)

    def test_tiny_shakespeare_has_the_lengths_of_nanogpt(self) -> None:
        corpus = load_corpus("tiny_shakespeare")
        assert (len(corpus.train), len(corpus.validation)) == (1_003_854, 111_540)
