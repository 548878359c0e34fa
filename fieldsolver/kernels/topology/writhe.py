"""Writhe, average crossing number, and twist: Lk = Tw + Wr (Calugareanu 1959, White 1969, Fuller 1971)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fieldsolver.errors import CurveError

from .curves import Points, closed_polygon, common_scale, flag, is_number, open_polygon, real_array, segment_ends
from .exact_angle import exact_angle


def writhe(curve: Any, *, closed: bool = True) -> float:
    """The writhe of a polygon: its Gauss integral with itself, 2 sum_(i<j) over segments that are not neighbours.

    Args:
        curve: points ``(N, 3)``.
        closed: the last point is joined to the first.

    Returns:
        Wr. The sum is exact for polygons; where the curve touches itself, the mean of both sides is taken. Rounding
        stays below 1e-11 per pair where the curve does not touch itself, and is 1e-16 as a rule.

    Raises:
        CurveError: not points in space.
        OptionError: `closed` is not True or False.
    """
    return _self_sums(curve, closed)[0]


def average_crossing_number(curve: Any, *, closed: bool = True) -> float:
    """The number of crossings seen, averaged over all directions of view: the same sum over moduli."""
    return _self_sums(curve, closed)[1]


def _self_sums(curve: Any, closed: bool) -> tuple[float, float]:
    from .gauss_loops import near_columns, self_sums

    closed = flag(closed, "closed")
    corners = closed_polygon(curve) if closed else open_polygon(curve)
    given = segment_ends(corners, closed=closed)
    begin, end = (common_scale(corners) * points for points in given)
    sums, moduli, near = self_sums(begin, end, closed)
    signed, unsigned = [float(value) for value in sums], [float(value) for value in moduli]
    for i in np.flatnonzero(near):
        last = len(begin) - 1 if closed and i == 0 else len(begin)
        for j in i + 2 + near_columns(begin[i], end[i], begin[i + 2 : last], end[i + 2 : last]):
            angle = exact_angle(given[0][i], given[1][i], given[0][j], given[1][j]).angle  # 0 where they touch
            signed.append(angle)
            unsigned.append(abs(angle))
    return math.fsum(signed) / math.pi, math.fsum(unsigned) / math.pi


@dataclass(frozen=True)
class Ribbon:
    """A closed polygon and a direction that is carried along it.

    Attributes:
        curve: ``(N, 3)``, its corners.
        framing: ``(N, 3)``, a direction for every segment; only its part across the segment counts.
    """

    curve: Points
    framing: Points

    @classmethod
    def of(cls, curve: Any, framing: Any) -> Ribbon:
        """Checked, the framing made orthogonal to its segments and of length 1.

        Raises:
            CurveError: not a polygon, shapes differ, or a direction lies along its segment.
        """
        corners = closed_polygon(curve, "curve")
        directions = real_array(framing, "framing", f"{corners.shape}").astype(np.float64)
        if directions.shape != corners.shape or not np.isfinite(directions).all():
            raise CurveError(
                f"framing has shape {directions.shape}, expected {corners.shape}: one finite direction per segment"
            )
        directions = _units(directions)
        tangents = _tangents(corners)
        across = directions - (directions * tangents).sum(axis=1, keepdims=True) * tangents
        lengths = np.linalg.norm(across, axis=1)
        if (lengths <= 1e-12).any():
            row = int(np.argmin(lengths))
            raise CurveError(f"the framing of segment {row} lies along it; give a direction across the curve")
        return cls(corners, across / lengths[:, None])

    def edge(self, width: float) -> Points:
        """The polygon at a distance `width` from the curve: each corner moved along the mean of its two directions.

        Raises:
            CurveError: `width` is 0 or not finite, or the framing turns by half a turn at a corner.
        """
        if not (is_number(width) and math.isfinite(width) and width != 0):
            raise CurveError(f"width is a distance, positive or negative, not 0; got {width!r}")
        moved = self.framing + np.roll(self.framing, 1, axis=0)
        lengths = np.linalg.norm(moved, axis=1, keepdims=True)
        if (lengths < 1e-6).any():
            raise CurveError("the framing turns by half a turn at one corner, and has no side there; refine the curve")
        return np.asarray(self.curve + width * moved / lengths)


def twist(curve: Any, framing: Any) -> float:
    """The twist of a framing of a closed polygon, in turns: how much it turns beyond what the bends carry along.

    Args:
        curve: corners ``(N, 3)``.
        framing: directions ``(N, 3)``, one per segment.

    Returns:
        Tw = (1 / 2 pi) sum of the angles between each direction and the one before it, carried over the corner by the
        smallest rotation. With the writhe of the same polygon, Tw + Wr is the linking number of the edges of a narrow
        ribbon.

    Raises:
        CurveError: see `Ribbon.of`; or the curve folds back on itself at a corner.

    Source: Bergou, Wardetzky, Robinson, Audoly, Grinspun, *Discrete elastic rods*, ACM Trans. Graph. 27 (2008),
    section 4.
    """
    ribbon = Ribbon.of(curve, framing)
    tangents = _tangents(ribbon.curve)
    before = np.roll(tangents, 1, axis=0)
    cosines = (before * tangents).sum(axis=1)
    if (cosines < -1 + 1e-12).any():
        raise CurveError(f"the curve folds back on itself at corner {int(np.argmin(cosines))}: no smallest rotation")
    carried = _carried(np.roll(ribbon.framing, 1, axis=0), before, tangents, cosines)
    sine = (np.cross(carried, ribbon.framing) * tangents).sum(axis=1)
    cosine = (carried * ribbon.framing).sum(axis=1)
    return math.fsum(np.arctan2(sine, cosine)) / (2 * math.pi)


def _carried(vectors: Points, before: Points, after: Points, cosines: Points) -> Points:
    """Rotate each vector by the smallest rotation that takes `before` to `after` (Rodrigues' formula)."""
    axis = np.cross(before, after)
    along = (axis * vectors).sum(axis=1, keepdims=True) / (1 + cosines)[:, None]
    return np.asarray(cosines[:, None] * vectors + np.cross(axis, vectors) + along * axis)


def _tangents(corners: Points) -> Points:
    halves = 0.5 * corners  # the difference of two large numbers overflows
    return _units(np.roll(halves, -1, axis=0) - halves)


def _units(vectors: Points) -> Points:
    """Each of length 1, 0 stays 0; scaled first, since squares of 1e-170 underflow."""
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    scaled = vectors / np.where(largest > 0, largest, 1.0)
    return np.asarray(scaled / np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1.0))
