"""The double sum of pair angles over all segments of two polygons, with a bound of its error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .curves import Points
from .exact_angle import exact_angle

UNIT = 2.0**-53


@dataclass(frozen=True)
class GaussSum:
    """The Gauss linking integral of two polygons.

    Attributes:
        value: (1 / 4 pi) of the double integral, (sum of angles) / (2 pi).
        error_bound: of its rounding; rigorous.
        exact_pairs: pairs that were evaluated in exact arithmetic.
        touching: positions (i, j) of the first pair of segments with a common point, or None.
    """

    value: float
    error_bound: float
    exact_pairs: int
    touching: tuple[int, int] | None


def gauss_sum(a: Points, b: Points, c: Points, d: Points, *, ends_may_meet: bool = False) -> GaussSum:
    """Sum over segments ab ``(N, 3)`` and cd ``(M, 3)``; each starts where the one before it ends.

    `ends_may_meet`: both are open chains, and a point that ends both of them does not count as touching.
    Rows run on Numba's threads. A pair that the compiled loop does not trust is evaluated by `exact_angle`.
    """
    from .gauss_loops import REGULAR_ERROR, near_columns, row_sums

    sums, near = row_sums(a, b, c, d)
    total = [float(value) for value in sums]
    pairs = [(int(i), int(j)) for i in np.flatnonzero(near) for j in near_columns(a[i], b[i], c, d)]
    for i, j in pairs:
        found = exact_angle(a[i], b[i], c[j], d[j])
        if found.touching and not (ends_may_meet and _meet_at_ends(a, b, c, d, i, j)):
            return GaussSum(math.nan, math.inf, len(pairs), (i, j))
        total.append(found.angle)
    count = len(a) * len(c)
    # compensated sums of each row, then an exactly rounded one: 4 u of the sum of absolute values, each below 2 pi
    bound = (count - len(pairs)) * REGULAR_ERROR + len(pairs) * 2 * UNIT * 2 * math.pi + 4 * UNIT * count * 2 * math.pi
    return GaussSum(math.fsum(total) / (2 * math.pi), bound / (2 * math.pi), len(pairs), None)


def _meet_at_ends(a: Points, b: Points, c: Points, d: Points, i: int, j: int) -> bool:
    """Whether segments i and j have an end of both chains in common, and nothing else.

    Such segments lie in one plane and see each other under no angle. A corner inside a chain is no end of it, nor is
    the point where a chain comes back to its own beginning.
    """
    shared = [(p, q) for end, p in _ends_of(a, b, i) for other, q in _ends_of(c, d, j) if (end == other).all()]
    return any(not _same_direction(p, q) for p, q in shared)


def _ends_of(begin: Points, finish: Points, row: int) -> list[tuple[Points, Points]]:
    """The ends of an open chain that its segment `row` holds, each with the direction from it into the segment."""
    if (begin[0] == finish[-1]).all():
        return []
    ends = []
    if row == 0:
        ends.append((begin[0], _exact_difference(finish[0], begin[0])))
    if row == len(begin) - 1:
        ends.append((finish[-1], _exact_difference(begin[-1], finish[-1])))
    return ends


def _exact_difference(p: Points, q: Points) -> Points:
    return np.array([Fraction(float(x)) - Fraction(float(y)) for x, y in zip(p, q, strict=True)], dtype=object)


def _same_direction(p: Points, q: Points) -> bool:
    """Whether two segments out of one point lie on one another."""
    across = (p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0])
    return not any(across) and bool(p @ q > 0)
