"""IMDB: film reviews, good (7 stars and more) or bad (4 and fewer).

A. Maas et al., "Learning Word Vectors for Sentiment Analysis", ACL 2011: 25,000 reviews for training, 25,000 for the
test, no film in both.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fieldsolver.errors import FileFormatError

from .dataset import Pair
from .raw_files import class_index, decoded, json_rows
from .splits import TextSplit

CLASSES = ("negative", "positive")

_BREAK = re.compile(r"(?:\s*<br\s*/?>\s*)+", re.IGNORECASE)
_MEMBER = re.compile(r"aclImdb/(train|test)/(neg|pos)/(\d+)_(\d+)\.txt")


def read_pack(train: Path, test: Path) -> Pair:
    """One JSON object a line: id, stars, label, text."""
    return _read_lines(train), _read_lines(test)


def read_official(archive: Path) -> Pair:
    """The official archive: a file for each review, named by number and stars; the unlabelled ones are passed over."""
    rows: dict[str, list[tuple[int, int, str]]] = {"train": [], "test": []}
    for split, label, number, content in _members(archive):
        rows[split].append((label, number, cleaned(content)))
    train, test = (sorted(rows[split]) for split in ("train", "test"))
    return _split(train), _split(test)


def cleaned(text: str) -> str:
    """Line breaks, written ``<br />`` in the files, become a space."""
    return _BREAK.sub(" ", text).strip()


def _split(rows: list[tuple[int, int, str]]) -> TextSplit:
    return TextSplit([text for _, _, text in rows], np.array([label for label, _, _ in rows]))


def _members(archive: Path) -> Iterator[tuple[str, int, int, str]]:
    """Split, label, number and text of every labelled review, in the archive's order."""
    try:
        with tarfile.open(archive, "r|gz") as opened:
            for member in opened:
                name = _MEMBER.fullmatch(member.name)
                if name is None or not member.isfile():
                    continue
                file = opened.extractfile(member)
                content = b"" if file is None else file.read()
                split, label, number, stars = name.groups()
                place = f"{archive}: {member.name}"
                yield (
                    split,
                    _checked(CLASSES.index(_WORDS[label]), int(stars), place),
                    int(number),
                    decoded(content, place),
                )
    except (tarfile.TarError, EOFError, OSError) as error:
        raise FileFormatError(f"{str(archive)!r} is truncated or no tar.gz archive ({error}); remove it") from None


_WORDS = {"neg": "negative", "pos": "positive"}


def _read_lines(path: Path) -> TextSplit:
    texts, labels = [], []
    for place, row in json_rows(path):
        for name in ("label", "text"):
            if name not in row:
                raise FileFormatError(f"{place} has no {name!r}; it has {', '.join(row) or 'nothing'}")
        if not isinstance(row["text"], str):
            raise FileFormatError(f"{place}: the text is no string, but {type(row['text']).__name__}")
        labels.append(_checked(class_index(row["label"], 0, CLASSES, place), row.get("stars"), place))
        texts.append(cleaned(row["text"]))
    return TextSplit(texts, np.array(labels))


def _checked(label: int, stars: Any, place: str) -> int:
    """The label, if the number of stars, where it is known, says the same."""
    if isinstance(stars, int) and (stars >= 7, stars <= 4) != (label == 1, label == 0):
        raise FileFormatError(f"{place}: {stars} stars are labelled {CLASSES[label]}; bad are 1-4, good are 7-10")
    return label
