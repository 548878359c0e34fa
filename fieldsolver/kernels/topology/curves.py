"""Closed and open polygons in space, checked before anything is computed from them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldsolver.errors import CurveError

LARGEST_EXPONENT = 1000
"""Of a scale, so that it is finite for the smallest numbers too."""

Points = NDArray[np.float64]


def closed_polygon(points: Any, name: str = "the curve") -> Points:
    """The corners ``(N, 3)`` of a closed polygon, N >= 3; the last one is joined to the first.

    Raises:
        CurveError: not N points in space, not finite, closed twice, or with two neighbouring corners in one place.
    """
    corners = _points(points, name, fewest=3, kind="closed polygon")
    if len(corners) > 1 and (corners[0] == corners[-1]).all():
        raise CurveError(
            f"the last point of {name} repeats the first, {_place(corners[0])}; leave it out, a closed polygon joins "
            "its ends by itself"
        )
    _check_segments(corners, np.roll(corners, -1, axis=0), name)
    return corners


def open_polygon(points: Any, name: str = "the curve") -> Points:
    """The corners ``(N, 3)`` of an open polygon, N >= 2; raises as `closed_polygon`, but its ends may meet."""
    corners = _points(points, name, fewest=2, kind="open polygon")
    _check_segments(corners[:-1], corners[1:], name)
    return corners


def segment_ends(corners: Points, *, closed: bool) -> tuple[Points, Points]:
    """Where the segments of a polygon begin and end, both ``(S, 3)``."""
    if closed:
        return corners, np.roll(corners, -1, axis=0)
    return np.ascontiguousarray(corners[:-1]), np.ascontiguousarray(corners[1:])


def common_scale(*polygons: Points) -> float:
    """A power of two that brings the largest coordinate close to 1: scaling by it rounds nothing.

    Linking is invariant under scaling, and products of six lengths of 1e60 would overflow.
    """
    largest = max(float(np.abs(polygon).max()) for polygon in polygons)
    exponent = -int(np.frexp(largest)[1]) if largest > 0 else 0
    return 2.0 ** min(exponent, LARGEST_EXPONENT)


def _points(points: Any, name: str, *, fewest: int, kind: str) -> Points:
    values = np.asarray(points.detach().cpu().numpy() if hasattr(points, "detach") else points)
    if values.dtype.kind not in "fiu":
        raise CurveError(f"{name} must be real numbers of shape (N, 3), got dtype {values.dtype}")
    if values.ndim == 2 and values.shape[1] == 2:
        raise CurveError(
            f"{name} has shape {values.shape}, points in a plane; add a column of zeros to put it into space"
        )
    if values.ndim != 2 or values.shape[1] != 3:
        raise CurveError(f"{name} has shape {values.shape}, expected (N, 3), one point in space per row")
    if len(values) < fewest:
        raise CurveError(f"{name} has {len(values)} point(s), and a {kind} needs at least {fewest}")
    corners = np.ascontiguousarray(values, dtype=np.float64)
    if not np.isfinite(corners).all():
        row = int(np.flatnonzero(~np.isfinite(corners).all(axis=1))[0])
        raise CurveError(f"point {row} of {name} is {_place(corners[row])}, not finite")
    if values.dtype.kind in "iu" and (corners.astype(values.dtype) != values).any():
        raise CurveError(
            f"{name} holds integers beyond 2**53, which float64 cannot hold exactly; subtract an offset first"
        )
    return corners


def _check_segments(start: Points, end: Points, name: str) -> None:
    still = (start == end).all(axis=1)
    if still.any():
        row = int(np.flatnonzero(still)[0])
        raise CurveError(
            f"segment {row} of {name} has no length: two neighbouring points lie at {_place(start[row])}; leave one out"
        )


def _place(point: Points) -> str:
    return "(" + ", ".join(f"{value:g}" for value in point) + ")"
