"""Texts with labels: one split, and the three of a data set."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fieldsolver.errors import FileFormatError, OptionError, StateError, listing


@dataclass(frozen=True)
class TextSplit:
    """Texts and their classes.

    Attributes:
        texts: n texts.
        labels: int64, shape ``(n,)``, classes from 0.
    """

    texts: list[str]
    labels: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", np.asarray(self.labels, dtype=np.int64).reshape(-1))
        if len(self.texts) != len(self.labels):
            raise StateError(f"{len(self.texts)} texts came with {len(self.labels)} labels; each text needs one")

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, indices: Any) -> TextSplit:
        """The texts of these indices, in their order; a slice, a mask or integers."""
        chosen = np.arange(len(self))[indices].reshape(-1)
        return TextSplit([self.texts[index] for index in chosen], self.labels[chosen])

    def part(self, fraction: float, seed: int = 0) -> TextSplit:
        """A stratified sample of this fraction of the texts, in their old order; at least one of every class.

        Raises:
            OptionError: the fraction is not in (0, 1].
        """
        if not 0 < fraction <= 1:
            raise OptionError(f"a part of a split is a fraction in (0, 1], got {fraction}")
        if fraction == 1:
            return self
        return self[np.sort(stratified(self.labels, fraction, np.random.default_rng(seed)))]


@dataclass(frozen=True)
class TextData:
    """A data set for classification; no text is in two of its splits.

    Attributes:
        name: as in `DATASETS`.
        train: what a model is fitted to.
        validation: taken out of the official training split by seed; empty when none was wanted.
        test: the official test split, whole.
        classes: their names, in the order of the labels.
        official: rows of the complete training and test splits.
        caveat: what a number measured on these files must say beside it; empty: nothing.
        omissions: which rows were left out, and copies; empty: none.
        licence: what the data may be used for.
        citation: whom to cite.
        fingerprint: 16 hexadecimal digits of all texts, labels and their division.
    """

    name: str
    train: TextSplit
    validation: TextSplit
    test: TextSplit
    classes: tuple[str, ...]
    official: tuple[int, int]
    caveat: str
    omissions: str
    licence: str
    citation: str
    fingerprint: str

    @property
    def note(self) -> str:
        """One line that stands beside every number measured on it: what was trained on, tested on, left out."""
        trained = f"trained on {_of(len(self.train), self.official[0])}"
        if len(self.validation):
            trained += f", {len(self.validation):,} more for validation"
        return "; ".join(one for one in (self.caveat, trained, self.tested, self.omissions) if one)

    @property
    def tested(self) -> str:
        """What the note says of a test split that is not the official one; empty of that."""
        return "" if len(self.test) == self.official[1] else f"tested on {_of(len(self.test), self.official[1])}"

    def part(self, fraction: float, seed: int = 0, *, validation: float | None = None) -> TextData:
        """The same with a stratified part of the training and validation splits; the test split stays whole.

        Args:
            fraction: of the training split.
            seed: of the choice.
            validation: fraction of the validation split; None: the same.

        Raises:
            OptionError: a fraction outside (0, 1], or one that leaves less than one text of a class to learn from.
        """
        share = fraction if validation is None else validation
        if fraction == share == 1:
            return self
        train = self.train.part(fraction, seed)
        counts = np.bincount(self.train.labels, minlength=len(self.classes))
        if fraction * (least := int(counts.min())) < 1 and least:
            raise OptionError(
                f"a fraction of {fraction:g} leaves less than one text of the class {self.classes[counts.argmin()]!r} "
                f"of {self.name} to learn from; take {math.ceil(1e4 / least) / 1e4:g} or more"
            )
        kept_back = self.validation.part(share, seed) if len(self.validation) else self.validation
        fingerprint = fingerprint_of(train, kept_back, self.test)
        return replace(self, train=train, validation=kept_back, fingerprint=fingerprint)

    def for_training(self) -> TextData:
        """The same, if every class can be learned.

        Raises:
            FileFormatError: a class without a text in the training split.
        """
        counts = np.bincount(self.train.labels, minlength=len(self.classes))
        if missing := [name for name, count in zip(self.classes, counts, strict=True) if not count]:
            raise FileFormatError(
                f"the training split of {self.name} holds no text of the class{'es' * (len(missing) > 1)} "
                f"{listing(map(repr, missing))}; a class that is never seen cannot be learned, so add texts to the file"
            )
        return self


@dataclass(frozen=True)
class Corpus:
    """Running text.

    Attributes:
        name: as in `CORPORA`.
        train: the first part.
        validation: the rest.
        note: one line that stands beside every number measured on it.
        licence: what the text may be used for.
        fingerprint: 16 hexadecimal digits of the text and its division.
    """

    name: str
    train: str
    validation: str
    note: str
    licence: str
    fingerprint: str


def _of(number: int, official: int) -> str:
    return f"all {official:,} rows" if number == official else f"{number:,} of {official:,} rows"


def stratified(labels: np.ndarray, fraction: float, generator: np.random.Generator, *, leave: int = 0) -> np.ndarray:
    """Indices of a random sample with the fractions of the whole, at least one of every class; unsorted.

    Of every class at least `leave` are left over, even if none can be taken then.
    """
    chosen = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        number = min(max(1, round(fraction * len(members))), len(members) - leave)
        chosen.append(generator.permutation(members)[:number])
    return np.concatenate(chosen) if chosen else np.empty(0, dtype=np.int64)


def fingerprint_of(*splits: TextSplit | str) -> str:
    """16 hexadecimal digits of contents and division."""
    digest = hashlib.sha256()
    for split in splits:
        texts: Sequence[str] = [split] if isinstance(split, str) else split.texts
        for part in _framed(texts):
            digest.update(part)
        if isinstance(split, TextSplit):
            digest.update(split.labels.astype("<i8").tobytes())
    return digest.hexdigest()[:16]


def _framed(texts: Iterable[str]) -> Iterable[bytes]:
    """Each text behind its length, so that no two lists of texts look alike."""
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        yield len(data).to_bytes(8, "little")
        yield data
    yield b"\xff"
