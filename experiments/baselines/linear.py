"""Classifiers of texts without a network: fitted once, on the processor, without a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fieldsolver.errors import OptionError, listing, nearest


class TextClassifier(Protocol):
    """Texts in, class numbers out."""

    def fit(self, texts: Sequence[str], labels: np.ndarray) -> None:
        """Learn from texts and their classes (n,), int64."""

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """(n, K) numbers; the largest names the class."""

    @property
    def parameters(self) -> int:
        """How many numbers were fitted."""


@dataclass(frozen=True)
class Entry:
    """One line of the list.

    Attributes:
        make: a fresh classifier, from the number of classes and options.
        description: one line, with its source.
    """

    make: Callable[..., TextClassifier]
    description: str


class Majority:
    """The most frequent class of the training split, whatever the text."""

    def __init__(self, classes: int) -> None:
        self.counts = np.zeros(classes, dtype=np.int64)

    def fit(self, texts: Sequence[str], labels: np.ndarray) -> None:
        """Count the classes."""
        self.counts = np.bincount(labels, minlength=len(self.counts))

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """The counts, once per text."""
        return np.tile(self.counts, (len(texts), 1))

    @property
    def parameters(self) -> int:
        """One number: which class."""
        return 1


def _tfidf(classes: int, **options: Any) -> TextClassifier:
    from .word_counts import TfidfLogistic

    return TfidfLogistic(**options)


def _nbsvm(classes: int, **options: Any) -> TextClassifier:
    from .word_counts import NBSVM

    return NBSVM(classes, **options)


CLASSIFIERS: dict[str, Entry] = {
    "majority": Entry(Majority, "the most frequent class"),
    "tfidf": Entry(_tfidf, "logistic regression on TF-IDF of words and pairs of words"),
    "nbsvm": Entry(_nbsvm, "support vector machine on naive-Bayes weighted words and pairs (Wang and Manning 2012)"),
}


def find_classifier(name: str) -> Entry:
    """The classifier of this name; raises `OptionError` with the nearest one."""
    if name not in CLASSIFIERS:
        raise OptionError(f"there is no classifier {name!r}; known: {listing(CLASSIFIERS)}{nearest(name, CLASSIFIERS)}")
    return CLASSIFIERS[name]
