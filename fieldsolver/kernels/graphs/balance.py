"""How much a part of a graph may hold."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from ..partitioning.weights import as_float, exact_weights
from .adjacency import Floats

ROUNDING = Fraction(1, 10**9)
"""Share of a grain by which a bound is let miss the next one: 1.3 is a little less than 13/10."""


def largest_allowed(sizes: Floats, parts: int, imbalance: float) -> float:
    """The larger of (1 + imbalance) times the mean and of the mean rounded up to what sizes can add up to.

    All sums are multiples of the greatest common divisor of the sizes (floats are integers over a power of two), and
    one part holds the mean or more: less than the mean rounded up to such a multiple is never possible.

    Args:
        sizes: ``(n,)``, positive.
        parts: k.
        imbalance: a share from 0 on, or infinity.
    """
    kinds, counts = np.unique(sizes, return_counts=True)
    exact = exact_weights(kinds, "sizes")
    total = sum(value * count for value, count in zip(exact.values, counts.tolist(), strict=True))
    if math.isinf(imbalance):
        return as_float(total * exact.unit)
    grain = math.gcd(*exact.values)
    mean = Fraction(total, parts * grain)  # in grains
    grains = max(math.floor((1 + Fraction(imbalance)) * mean + ROUNDING), math.ceil(mean))
    return as_float(min(total, grains * grain) * exact.unit)


def largest_by_vertices(sizes: Floats, parts: int) -> float:
    """The mean rounded up to multiples of the largest vertex: what unequal vertices may need."""
    mean, whole = float(sizes.sum()) / parts, float(sizes.max())
    return whole * float(np.ceil(mean / whole - 1e-12))
