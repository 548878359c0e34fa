"""`gauss_linking_integral`: how much two chains wind around each other: whole, by segments, by sub-chains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, Verdict, VerdictNotReached, register_plot

from ..plots.gauss_map import draw_gauss_map
from .curves import Points, both_closed, closed_polygon, open_polygon, segment_ends
from .gauss_sum import angle_map, gauss_sum

if TYPE_CHECKING:
    import xarray

SCHEMA = "gauss/1"
MAP_SCHEMA = "gauss_map/1"
register_plot(MAP_SCHEMA)(draw_gauss_map)


class GaussIntegral(AnalysisResult):
    """A number with a bound of its error."""

    @property
    def value(self) -> float:
        """The integral; raises `VerdictNotReached` where the chains cross each other."""
        self.assert_pass()
        return float(self["gauss"])


def gauss_linking_integral(a: Any, b: Any, *, closed: tuple[bool, bool] = (False, False)) -> GaussIntegral:
    """(1 / 4 pi) of Gauss's double integral over two polygons.

    Args:
        a: points ``(N, 3)``.
        b: points ``(M, 3)``.
        closed: whether the last point of a, and of b, is joined to the first.

    Returns:
        Schema ``gauss/1``: `gauss` and `error_bound`, a rigorous bound of its rounding. PROVED in that sense;
        DEGENERATE where the chains have a point in common, be it the end of both: the integral jumps there.

    Raises:
        CurveError: not points in space.
        OptionError: `closed` is no pair of flags.
    """
    total = gauss_sum(*_ends(a, b, closed))
    if total.touching is not None:
        i, j = total.touching
        status = Verdict.DEGENERATE
        reason = f"segment {i} of a and segment {j} of b meet, and the integral jumps where they do; move one apart"
    else:
        status = Verdict.PROVED
        reason = f"the integral is {total.value:.12g} within {total.error_bound:.1g}"
    return GaussIntegral(_number(total.value, total.error_bound), status, reason, SCHEMA)


def gauss_linking_map(a: Any, b: Any, *, closed: tuple[bool, bool] = (False, False)) -> AnalysisResult:
    """The contribution of every pair of segments, and the pair of sub-chains that are wound around each other most.

    Args:
        a, b, closed: as `gauss_linking_integral`. Sub-chains do not run over the closing segment.

    Returns:
        Schema ``gauss_map/1``, dimensions ``segment_a``, ``segment_b``: `gln` of every pair, `cumulative` (summed-area
        table: the integral of the first i + 1 and j + 1 segments), `touches` (pairs with a common point: they count
        0, the mean of both sides), scalars `max_gln` (signed) and its window `first_a`, `last_a`, `first_b`, `last_b`
        (inclusive): the maximum of the modulus over ALL pairs of sub-chains. PASS; DEGENERATE where some pair touches.

    Raises:
        CurveError: not points in space.
        OptionError: `closed` is no pair of flags.

    Source of the maximum: Kadane's scan over columns for every range of rows (Bentley, Commun. ACM 27 (1984) 865).
    """
    from .sub_chains import heaviest_window

    angles, touches = angle_map(*_ends(a, b, closed))
    gln = angles / (2 * np.pi)
    transposed = gln.shape[0] > gln.shape[1]
    window = heaviest_window(np.ascontiguousarray(gln.T if transposed else gln))
    value, i0, i1, j0, j1 = window
    if transposed:
        i0, i1, j0, j1 = j0, j1, i0, i1
    dataset = _map(gln, touches, float(value), (int(i0), int(i1), int(j0), int(j1)))
    if touches.any():
        i, j = np.argwhere(touches)[0]
        reason = f"{touches.sum()} pairs of segments touch, first {i} of a and {j} of b: their integral jumps there"
        return AnalysisResult(dataset, Verdict.DEGENERATE, reason, MAP_SCHEMA)
    reason = f"segments {int(i0)}..{int(i1)} of a and {int(j0)}..{int(j1)} of b are wound most: {float(value):.6g}"
    return AnalysisResult(dataset, Verdict.PASS, reason, MAP_SCHEMA)


def sub_chain_integral(gauss_map: AnalysisResult, segments_a: slice, segments_b: slice) -> float:
    """The integral of two sub-chains out of the cumulative table, in a few operations.

    Args:
        gauss_map: what `gauss_linking_map` returned.
        segments_a, segments_b: slices of step 1 over the segments; an empty one gives 0.

    Raises:
        OptionError: no map, no slice, or a step other than 1.
        VerdictNotReached: the sub-chains touch each other.
    """
    if getattr(gauss_map, "schema", None) != MAP_SCHEMA:
        raise OptionError(f"gauss_map is what gauss_linking_map returned, got {type(gauss_map).__name__}")
    table = np.pad(gauss_map["cumulative"].values, ((1, 0), (1, 0)))
    i0, i1 = _range(segments_a, table.shape[0] - 1, "segments_a")
    j0, j1 = _range(segments_b, table.shape[1] - 1, "segments_b")
    if gauss_map["touches"].values[i0:i1, j0:j1].any():
        raise VerdictNotReached("the sub-chains touch each other, and their integral jumps there; leave that pair out")
    return float(table[i1, j1] - table[i0, j1] - table[i1, j0] + table[i0, j0])


def _range(segments: slice, count: int, name: str) -> tuple[int, int]:
    try:
        first, stop, step = segments.indices(count)
    except (AttributeError, TypeError):
        raise OptionError(f"{name} must be a slice of whole numbers such as slice(0, 5), got {segments!r}") from None
    if step != 1:
        raise OptionError(f"{name} must be a slice of step 1, a sub-chain has no gaps; got {segments}")
    return first, max(first, stop)


def _ends(a: Any, b: Any, closed: Any) -> tuple[Points, Points, Points, Points]:
    """Where the segments of a begin and end, and those of b."""
    closed_a, closed_b = both_closed(closed)
    first = closed_polygon(a, "a") if closed_a else open_polygon(a, "a")
    second = closed_polygon(b, "b") if closed_b else open_polygon(b, "b")
    return *segment_ends(first, closed=closed_a), *segment_ends(second, closed=closed_b)


def _number(value: float, bound: float) -> xarray.Dataset:
    import xarray

    return xarray.Dataset(
        {
            "gauss": ((), value, {"units": "1", "long_name": "Gauss linking integral"}),
            "error_bound": ((), bound, {"units": "1", "long_name": "bound of its rounding"}),
        }
    )


def _map(gln: Points, touches: np.ndarray, value: float, window: tuple[int, int, int, int]) -> xarray.Dataset:
    import xarray

    def scalar(number: float, name: str) -> tuple[tuple[()], float, dict[str, str]]:
        return (), number, {"units": "1", "long_name": name}

    names = ("first_a", "last_a", "first_b", "last_b")
    both = ("segment_a", "segment_b")
    return xarray.Dataset(
        {
            "gln": (both, gln, {"units": "1", "long_name": "contribution of a pair of segments"}),
            "touches": (both, touches, {"units": "1", "long_name": "the segments have a point in common"}),
            "cumulative": (
                both,
                gln.cumsum(axis=0).cumsum(axis=1),
                {"units": "1", "long_name": "integral of the chains up to these segments"},
            ),
            "max_gln": scalar(value, "largest integral of two sub-chains, with its sign"),
            **{
                name: scalar(place, f"segment of the window of max_gln ({name.replace('_', ' of ')})")
                for name, place in zip(names, window, strict=True)
            },
        },
        coords={
            name: (name, np.arange(size), {"units": "1", "long_name": f"segment of {name[-1]}"})
            for name, size in zip(both, gln.shape, strict=True)
        },
    )
