"""`linking_number`: how often one closed polygon winds around another, as an integer with its proof."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fieldsolver.results import AnalysisResult, Verdict

from .curves import Points, closed_polygon, common_scale, segment_ends
from .gauss_sum import GaussSum, gauss_sum

if TYPE_CHECKING:
    import xarray

SCHEMA = "linking/1"


class LinkingNumber(AnalysisResult):
    """An integer that was proved, or the reason why it was not."""

    @property
    def value(self) -> int:
        """The linking number.

        Raises:
            VerdictNotReached: it is not proved; there is no wrong integer.
        """
        self.assert_pass()
        return int(self["lk"])


def linking_number(a: Any, b: Any) -> LinkingNumber:
    """The linking number of two closed polygons, Lk = (1 / 4 pi) of Gauss's double integral.

    Args:
        a: corners ``(N, 3)``, numbers, an array or a tensor; the last corner is joined to the first.
        b: corners ``(M, 3)``.

    Returns:
        Schema ``linking/1``: `lk`, `gauss` (the sum), `residual` (its distance to the integer), `error_bound` (of its
        rounding, rigorous), `min_distance` of the curves, `n_exact` (pairs evaluated in exact arithmetic). Lk = +1
        where b passes through the disc of a along its right-hand normal.
        PROVED: residual + error_bound < 1/2. DEGENERATE: the curves touch, and there is no linking number. UNRESOLVED:
        so many segments that the error bound reaches 1/2.

    Raises:
        CurveError: not a polygon in space; see `closed_polygon`.

    Source: the sum over pairs of segments is exact for polygons (Banchoff 1976; Arai 2013); see `gauss_loops`.
    """
    return linking_result(closed_polygon(a, "a"), closed_polygon(b, "b"))


def linking_result(a: Points, b: Points) -> LinkingNumber:
    """The same for corners that were checked."""
    found, total, distance = judged_link(a, b)
    return LinkingNumber(linking_dataset(found, total, distance), found.status, found.reason, SCHEMA)


def judged_link(a: Points, b: Points) -> tuple[Judged, GaussSum, float]:
    """The integer with its verdict, the Gauss sum, and the least distance of the curves."""
    from .distance import least_distance

    ends = (*segment_ends(a, closed=True), *segment_ends(b, closed=True))
    total, scale = gauss_sum(*ends), common_scale(a, b)
    distance = float(least_distance(*(scale * points for points in ends))) / scale if total.touching is None else 0.0
    return judge(total), total, distance


@dataclass(frozen=True)
class Judged:
    """The integer nearest to a Gauss sum, and what it is worth."""

    lk: int
    residual: float
    status: Verdict
    reason: str


def judge(total: GaussSum) -> Judged:
    """PROVED if no other integer is possible."""
    if total.touching is not None:
        i, j = total.touching
        reason = (
            f"segment {i} of a and segment {j} of b have a point in common: curves that touch have no linking number"
        )
        return Judged(0, 0.5, Verdict.DEGENERATE, reason)
    lk = round(total.value)
    residual = abs(total.value - lk)
    if residual + total.error_bound < 0.5:
        reason = (
            f"Lk = {lk}: the Gauss sum misses it by {residual:.1g}, its rounding is below {total.error_bound:.1g}, and "
            "together that is less than 1/2"
        )
        return Judged(lk, residual, Verdict.PROVED, reason)
    return Judged(
        lk, residual, Verdict.UNRESOLVED,
        f"the Gauss sum is {total.value:.6g} with a rounding of up to {total.error_bound:.1g}, which leaves more than "
        "one integer; use fewer segments",
    )  # fmt: skip


def linking_dataset(found: Judged, total: GaussSum, distance: float) -> xarray.Dataset:
    """Label what is known of a linking number."""
    import xarray

    def number(value: float, name: str, units: str = "1") -> tuple[tuple[()], float, dict[str, str]]:
        return (), value, {"units": units, "long_name": name}

    return xarray.Dataset(
        {
            "lk": number(found.lk, "linking number, if the status is proved"),
            "gauss": number(total.value, "Gauss sum over all pairs of segments"),
            "residual": number(found.residual, "distance of the sum to the integer"),
            "error_bound": number(total.error_bound, "bound of the rounding of the sum"),
            "min_distance": number(distance, "least distance of the curves", "length"),
            "n_exact": number(total.exact_pairs, "pairs of segments evaluated in exact arithmetic"),
        }
    )
