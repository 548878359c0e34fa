"""Linear relations between columns of a matrix: the null space, with the gap that tells it from small numbers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

import numpy as np

from ..orders.models import Floats

NULL = 1e-12
"""Relative singular values up to here are round-off."""
CLEAR = 1e-9
"""The next one must lie above this: in between, noise and law cannot be told apart."""


@dataclass(frozen=True)
class NullSpace:
    """Vectors `x` with ``A x = 0`` to round-off.

    Attributes:
        vectors: ``(r, m)``, one a row; empty where the gap is too small.
        singular_values: of the matrix with columns brought to size one, descending, per row of the matrix.
        gap: largest singular value that counts as zero over the smallest that does not; the smallest of all
            over the largest where none counts as zero.
        clear: no singular value lies between round-off and `CLEAR`.
    """

    vectors: Floats
    singular_values: Floats
    gap: float
    clear: bool


def null_space(matrix: Floats, scale: Floats) -> NullSpace:
    """The null space of `matrix` ``(K, m)`` whose columns would have the sizes `scale` without cancellation."""
    size = np.where(scale > 0, scale, 1.0)
    count, columns = matrix.shape
    _, values, right = np.linalg.svd(matrix / size / np.sqrt(count), full_matrices=True)
    values = np.concatenate([values, np.zeros(columns - values.size)])
    zero = values <= NULL
    clear = not bool(((values > NULL) & (values < CLEAR)).any())
    vectors = right[zero] / size if clear else np.zeros((0, columns))
    return NullSpace(vectors, values, _gap(values, zero), clear)


def _gap(values: Floats, zero: np.ndarray) -> float:
    kept, null = values[~zero], values[zero]
    if not kept.size:
        return 1.0  # everything is a relation: nothing stands out
    return float((null.max() if null.size else kept.min()) / (kept.min() if null.size else kept.max()))


def echelon(rows: Floats, order: np.ndarray) -> Floats:
    """Reduced row echelon form whose pivots are sought in the columns in the given order; sparse combinations."""
    rows = rows / np.abs(rows).max(axis=1, keepdims=True)
    pivot = 0
    for column in order:
        if pivot == len(rows):
            break
        best = pivot + int(np.argmax(np.abs(rows[pivot:, column])))
        if abs(rows[best, column]) < 1e-7 * np.abs(rows[pivot:]).max():
            rows[pivot:, column] = 0.0
            continue
        rows[[pivot, best]] = rows[[best, pivot]]
        rows[pivot] /= rows[pivot, column]
        for other in range(len(rows)):
            if other != pivot:
                rows[other] -= rows[other, column] * rows[pivot]
        pivot += 1
    return np.asarray(np.where(np.abs(rows) < 1e-8 * np.abs(rows).max(axis=1, keepdims=True), 0.0, rows))


def rationalised(vector: Floats, largest: int = 1000) -> list[Fraction] | None:
    """The multiple of `vector` with whole entries, smallest and with a positive first one; None if none fits."""
    first = vector[np.flatnonzero(vector)[0]]
    fractions = []
    for value in vector / first:
        guess = Fraction(float(value)).limit_denominator(largest)
        if abs(float(guess) - value) > 1e-9 * max(1.0, abs(value)):
            return None
        fractions.append(guess)
    factor = lcm(*(f.denominator for f in fractions))
    whole = [int(f * factor) for f in fractions]
    shared = gcd(*whole)
    return [Fraction(entry // shared) for entry in whole]
