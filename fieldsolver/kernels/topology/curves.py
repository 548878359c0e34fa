"""Closed and open polygons in space, checked before anything is computed from them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldsolver.errors import CurveError, OptionError

LARGEST_EXPONENT = 1000
"""Of a scale, so that it is finite for the smallest numbers too."""

Points = NDArray[np.float64]


def closed_polygon(points: Any, name: str = "the curve") -> Points:
    """The corners ``(N, 3)`` of a closed polygon, N >= 3; the last one is joined to the first.

    Raises:
        CurveError: not N points in space, not finite, closed twice, or with two neighbouring corners in one place.
    """
    corners = _points(points, name, fewest=3, kind="a closed polygon")
    if len(corners) > 1 and (corners[0] == corners[-1]).all():
        raise CurveError(
            f"the last point of {name} repeats the first, {_place(corners[0])}; leave it out, a closed polygon joins "
            "its ends by itself"
        )
    _check_segments(corners, np.roll(corners, -1, axis=0), name)
    return corners


def open_polygon(points: Any, name: str = "the curve") -> Points:
    """The corners ``(N, 3)`` of an open polygon, N >= 2; raises as `closed_polygon`, but its ends may meet."""
    corners = _points(points, name, fewest=2, kind="an open polygon")
    _check_segments(corners[:-1], corners[1:], name)
    return corners


def segment_ends(corners: Points, *, closed: bool) -> tuple[Points, Points]:
    """Where the segments of a polygon begin and end, both ``(S, 3)``."""
    if closed:
        return corners, np.roll(corners, -1, axis=0)
    return np.ascontiguousarray(corners[:-1]), np.ascontiguousarray(corners[1:])


def common_scale(*polygons: Points) -> float:
    """A power of two that brings the largest coordinate close to 1.

    Linking is invariant under scaling, and products of six lengths of 1e60 would overflow. Nothing is rounded but
    coordinates 1e300 times smaller than the largest one: what hangs on those is computed from the numbers as given.
    """
    largest = max(float(np.abs(polygon).max()) for polygon in polygons)
    exponent = -int(np.frexp(largest)[1]) if largest > 0 else 0
    return 2.0 ** min(exponent, LARGEST_EXPONENT)


def real_array(values: Any, name: str, shape: str) -> np.ndarray:
    """Real numbers as an array, from lists, arrays or tensors of any precision.

    Raises:
        CurveError: something else, ragged lists, or an array with masked entries.
    """
    if hasattr(values, "detach"):  # a tensor, without importing torch
        if values.is_meta or str(values.layout) != "torch.strided":
            raise CurveError(
                f"{name} must be a dense tensor with data; got a {values.layout} tensor on {values.device}"
            )
        values = values.detach().cpu()
        values = (values.double() if values.is_floating_point() else values).numpy()
    if np.ma.is_masked(values):
        raise CurveError(f"{name} has masked entries; leave those points out")
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError):  # the last of lists of tensors with gradients
        raise CurveError(
            f"{name} must be real numbers of shape {shape}; got a {type(values).__name__}; do its rows "
            "differ in length?"
        ) from None
    if array.dtype.kind not in "fiu":
        kind = f"dtype {array.dtype}" if array.ndim else type(values).__name__
        raise CurveError(f"{name} must be real numbers of shape {shape}, got {kind}")
    return array


def is_number(value: Any) -> bool:
    """Whether this is one real number."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def is_whole(value: Any) -> bool:
    """Whether this is one integer."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def flag(value: Any, name: str) -> bool:
    """True or False; raises `OptionError` for anything else."""
    if not isinstance(value, (bool, np.bool_)):
        raise OptionError(f"{name} is True or False, got {value!r}")
    return bool(value)


def both_closed(closed: Any) -> tuple[bool, bool]:
    """Whether a, and whether b, is closed; raises `OptionError` for anything but a pair of flags."""
    if not (isinstance(closed, (tuple, list)) and len(closed) == 2):
        raise OptionError(f"closed is a pair, one flag for a and one for b, such as (True, False); got {closed!r}")
    return flag(closed[0], "closed[0]"), flag(closed[1], "closed[1]")


def _points(points: Any, name: str, *, fewest: int, kind: str) -> Points:
    values = real_array(points, name, "(N, 3)")
    if values.ndim == 2 and values.shape[1] == 2:
        raise CurveError(
            f"{name} has shape {values.shape}, points in a plane; add a column of zeros to put it into space"
        )
    if values.ndim != 2 or values.shape[1] != 3:
        raise CurveError(f"{name} has shape {values.shape}, expected (N, 3), one point in space per row")
    if len(values) < fewest:
        raise CurveError(f"{name} has {len(values)} point(s), and {kind} needs at least {fewest}")
    with np.errstate(over="ignore"):  # of longer floats: infinite below
        corners = np.ascontiguousarray(values, dtype=np.float64)
    if not np.isfinite(corners).all():
        row = int(np.flatnonzero(~np.isfinite(corners).all(axis=1))[0])
        raise CurveError(f"point {row} of {name} is {_place(corners[row])}, not finite")
    if (corners.astype(values.dtype) != values).any():
        raise CurveError(
            f"{name} holds {values.dtype} numbers that float64 cannot hold exactly, integers beyond 2**53 for one; "
            "subtract an offset or round them first"
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
