"""The double sum of pair angles over all segments of two polygons, with a bound of its error."""

from __future__ import annotations

import math
from dataclasses import dataclass

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

    Rows run on Numba's threads. A pair that the compiled loop does not trust is evaluated by `exact_angle`.
    """
    from .gauss_loops import REGULAR_ERROR, near_columns, row_sums

    sums, near = row_sums(a, b, c, d)
    total = [float(value) for value in sums]
    pairs = [(int(i), int(j)) for i in np.flatnonzero(near) for j in near_columns(a[i], b[i], c, d)]
    for i, j in pairs:
        found = exact_angle(a[i], b[i], c[j], d[j])
        if found.touching and not (ends_may_meet and _share_an_end(a[i], b[i], c[j], d[j])):
            return GaussSum(math.nan, math.inf, len(pairs), (i, j))
        total.append(found.angle)
    count = len(a) * len(c)
    # compensated sums of each row, then an exactly rounded one: 4 u of the sum of absolute values, each below 2 pi
    bound = (count - len(pairs)) * REGULAR_ERROR + len(pairs) * 2 * UNIT * 2 * math.pi + 4 * UNIT * count * 2 * math.pi
    return GaussSum(math.fsum(total) / (2 * math.pi), bound / (2 * math.pi), len(pairs), None)


def _share_an_end(a: Points, b: Points, c: Points, d: Points) -> bool:
    """Whether one of the corners is the same: such segments lie in one plane, and see each other under no angle."""
    return any((p == q).all() for p in (a, b) for q in (c, d))
