"""The double sum of pair angles over all segments of two polygons, with a bound of its error."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .curves import Points, common_scale
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


def gauss_sum(a: Points, b: Points, c: Points, d: Points) -> GaussSum:
    """Sum over segments ab ``(N, 3)`` and cd ``(M, 3)``; each starts where the one before it ends.

    Rows run on Numba's threads. A pair that the compiled loop does not trust is evaluated by `exact_angle`.
    """
    from .gauss_loops import REGULAR_ERROR, near_columns, row_sums

    scale = common_scale(a, b, c, d)
    first, last, other_first, other_last = (scale * points for points in (a, b, c, d))
    sums, near = row_sums(first, last, other_first, other_last)
    total, exact = [float(value) for value in sums], 0
    for i in map(int, np.flatnonzero(near)):
        for j in map(int, near_columns(first[i], last[i], other_first, other_last)):
            found = exact_angle(a[i], b[i], c[j], d[j])
            exact += 1
            if found.touching:
                return GaussSum(math.nan, math.inf, exact, (i, j))
            total.append(found.angle)
    count = len(a) * len(c)
    # compensated sums of each row, then an exactly rounded one: 4 u of the sum of absolute values, each below 2 pi
    bound = (count - exact) * REGULAR_ERROR + exact * 2 * UNIT * 2 * math.pi + 4 * UNIT * count * 2 * math.pi
    return GaussSum(math.fsum(total) / (2 * math.pi), bound / (2 * math.pi), exact, None)


def angle_map(a: Points, b: Points, c: Points, d: Points) -> tuple[Points, np.ndarray]:
    """The angle of every pair of segments ``(N, M)``, and whether they touch; their angle is then 0."""
    from .gauss_loops import segment_angles

    scale = common_scale(a, b, c, d)
    angles, near = segment_angles(*(scale * points for points in (a, b, c, d)))
    touches = np.zeros_like(near)
    for i, j in np.argwhere(near):
        found = exact_angle(a[i], b[i], c[j], d[j])
        angles[i, j], touches[i, j] = found.angle, found.touching
    return angles, touches
