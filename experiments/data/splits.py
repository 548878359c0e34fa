"""Texts with labels: one split, and the three of a data set."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fieldsolver.errors import OptionError, StateError


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
        note: one line that stands beside every number measured on it.
        licence: what the data may be used for.
        citation: whom to cite.
        fingerprint: 16 hexadecimal digits of all texts, labels and their division.
    """

    name: str
    train: TextSplit
    validation: TextSplit
    test: TextSplit
    classes: tuple[str, ...]
    note: str
    licence: str
    citation: str
    fingerprint: str

    def part(self, fraction: float, seed: int = 0) -> TextData:
        """The same with a stratified part of the training and validation splits; the test split stays whole."""
        if fraction == 1:
            return self
        train = self.train.part(fraction, seed)
        validation = self.validation.part(fraction, seed) if len(self.validation) else self.validation
        note = f"{self.note}; of these a stratified part: {len(train):,} rows for training"
        fingerprint = fingerprint_of(train, validation, self.test)
        return replace(self, train=train, validation=validation, note=note, fingerprint=fingerprint)


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
