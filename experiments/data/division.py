"""A validation split out of the training split, with no text on two sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .splits import TextSplit, stratified


@dataclass(frozen=True)
class Division:
    """What became of a training split.

    Attributes:
        train: what is left for fitting, in the old order.
        validation: what is kept back, in the old order.
        omissions: which rows were left out, and how many are copies, for the note of the data set.
    """

    train: TextSplit
    validation: TextSplit
    omissions: str


def divided(train: TextSplit, test: TextSplit, fraction: float, seed: int) -> Division:
    """Keep back a stratified fraction of the training texts for validation.

    Texts that are in the test split too are left out of the training split, not of the test split, whose numbers are
    compared with those of others. Copies within the training split stay together on one side.
    """
    known = set(test.texts)
    shared = np.fromiter((text in known for text in train.texts), dtype=bool, count=len(train))
    group, first = _groups(train.texts)
    candidates = first[~shared[first]]
    chosen = np.zeros(len(train), dtype=bool)
    if fraction:
        generator = np.random.default_rng(seed)
        chosen[candidates[stratified(train.labels[candidates], fraction, generator, leave=1)]] = True
    kept_back = chosen[first][group] & ~shared  # a copy goes where the first of its kind goes
    parts = [
        f"left out for being in the test split: {shared.sum():,}" if shared.any() else "",
        f"copies of others: {len(train) - len(first):,}" if len(first) < len(train) else "",
    ]
    omissions = "; ".join(part for part in parts if part)
    return Division(train[~kept_back & ~shared], train[kept_back], omissions)


def _groups(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """For each text the number of its group of equal texts, (n,); for each group its first text."""
    numbers: dict[str, int] = {}
    first: list[int] = []
    group = np.empty(len(texts), dtype=np.int64)
    for index, text in enumerate(texts):
        number = numbers.setdefault(text, len(numbers))
        if number == len(first):
            first.append(index)
        group[index] = number
    return group, np.array(first, dtype=np.int64)
