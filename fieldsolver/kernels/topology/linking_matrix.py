"""`linking_matrix`: the linking numbers of all pairs of many closed polygons, those of far pairs for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldsolver.errors import CurveError, OptionError
from fieldsolver.results import AnalysisResult, Verdict, register_plot

from ..plots.linking_matrix import draw_linking_matrix
from .approximate_sum import approximate_sum
from .curves import Points, closed_polygon, flag, segment_ends
from .gauss_sum import gauss_sum
from .linking_number import Judged, judge

if TYPE_CHECKING:
    import xarray

SCHEMA = "linking_matrix/1"
register_plot(SCHEMA)(draw_linking_matrix)
DIRECT_PAIRS = 4_000_000
"""Above this many pairs of segments two polygons go through trees, unless a proof is asked for."""


class LinkingMatrix(AnalysisResult):
    """Linking numbers of pairs of loops; pairs that are not listed have disjoint boxes and number 0."""

    def to_dense(self) -> np.ndarray:
        """All numbers, ``(K, K)`` int64, symmetric; the diagonal is 0.

        Raises:
            VerdictNotReached: some pair touches or is not resolved.
        """
        self.assert_pass()
        size = int(self["curves"])
        matrix = np.zeros((size, size), dtype=np.int64)
        first, second = self["curve_a"].values, self["curve_b"].values
        matrix[first, second] = matrix[second, first] = self["lk"].values
        return matrix


def linking_matrix(curves: Sequence[Any], *, proof: bool = True) -> LinkingMatrix:
    """The linking numbers of every pair of K closed polygons.

    Args:
        curves: K arrays of corners, each ``(N_k, 3)``.
        proof: sum pairs of segments one by one where moments of trees do not prove the number. False: two polygons with
            more than 4 million pairs of segments are summed by trees, which may leave the pair ``"pass"``, supported by
            a sum close to an integer, not proved.

    Returns:
        Schema ``linking_matrix/1``, dimension ``pair``, only pairs whose boxes meet (the others are unlinked: a plane
        parts them): `curve_a` < `curve_b`, `lk`, `gauss`, `residual`, `error_bound`, `n_exact`, `status` of each;
        scalar `curves` (K). PROVED: all are. PASS: all are proved or supported. DEGENERATE: some pair touches.
        UNRESOLVED: some pair is.

    Raises:
        OptionError: `curves` is one array of another shape, or `proof` is not True or False.
        CurveError: an entry is no closed polygon; its position is named.
    """
    proof = flag(proof, "proof")
    if isinstance(curves, np.ndarray) and curves.ndim != 3:
        raise OptionError(f"curves is a list of arrays (N, 3), or one array (K, N, 3); got shape {curves.shape}")
    try:
        polygons = [closed_polygon(curve, f"curve {k}") for k, curve in enumerate(curves)]
    except TypeError:
        raise CurveError(f"curves is a list of arrays (N, 3), got {type(curves).__name__}") from None
    pairs = overlapping_boxes(polygons)
    found = [_pair(polygons[i], polygons[j], proof) for i, j in pairs]
    status, reason = _judge(len(polygons), pairs, found)
    return LinkingMatrix(_dataset(len(polygons), pairs, found), status, reason, SCHEMA)


def overlapping_boxes(polygons: Sequence[Points]) -> list[tuple[int, int]]:
    """Pairs i < j of polygons whose bounding boxes meet: a sweep along the x axis."""
    if not polygons:
        return []
    low = np.array([polygon.min(axis=0) for polygon in polygons])
    high = np.array([polygon.max(axis=0) for polygon in polygons])
    order = np.argsort(low[:, 0], kind="stable")
    starts = low[order, 0]
    pairs = []
    for position, k in enumerate(order):
        rest = order[position + 1 : np.searchsorted(starts, high[k, 0], side="right")]
        meets = ((low[rest, 1:] <= high[k, 1:]) & (high[rest, 1:] >= low[k, 1:])).all(axis=1)
        pairs += [(min(k, other), max(k, other)) for other in rest[meets]]
    return sorted((int(i), int(j)) for i, j in pairs)


def _pair(a: Points, b: Points, proof: bool) -> tuple[Judged, float, float, int]:
    """The judged number, the Gauss sum, its error bound, the exact pairs."""
    ends = (*segment_ends(a, closed=True), *segment_ends(b, closed=True))
    if not proof and len(a) * len(b) > DIRECT_PAIRS:
        fast = approximate_sum(*ends, closed=True)
        found = judge(fast)
        if found.status is Verdict.UNRESOLVED and found.residual < 0.25:
            reason = f"Lk = {found.lk}: a sum by moments misses it by {found.residual:.2g}; proof=True sums every pair"
            found = Judged(found.lk, found.residual, Verdict.PASS, reason)
        return found, fast.value, fast.error_bound, fast.exact_pairs
    total = gauss_sum(*ends)
    return judge(total), total.value, total.error_bound, total.exact_pairs


def _judge(
    count: int, pairs: list[tuple[int, int]], found: list[tuple[Judged, float, float, int]]
) -> tuple[Verdict, str]:
    total = count * (count - 1) // 2
    for worst in (Verdict.DEGENERATE, Verdict.UNRESOLVED, Verdict.PASS):
        bad = [(pair, one) for pair, (one, *_) in zip(pairs, found, strict=True) if one.status is worst]
        if bad:
            (i, j), first = bad[0]
            return (
                worst,
                f"{len(bad)} of {count * (count - 1) // 2} pairs; the first, curves {i} and {j}: {first.reason}",
            )
    linked = sum(one.lk != 0 for one, *_ in found)
    total = count * (count - 1) // 2
    return (
        Verdict.PROVED,
        f"{linked} of {total} pairs have a linking number other than 0; {total - len(pairs)} lie apart",
    )


def _dataset(count: int, pairs: list[tuple[int, int]], found: list[tuple[Judged, float, float, int]]) -> xarray.Dataset:
    import xarray

    def along(values: Any, name: str) -> tuple[str, Any, dict[str, str]]:
        return "pair", values, {"units": "1", "long_name": name}

    ends = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    judged = [one for one, *_ in found]
    return xarray.Dataset(
        {
            "lk": along(np.array([one.lk for one in judged], dtype=np.int64), "linking number"),
            "gauss": along(np.array([value for _, value, _, _ in found]), "Gauss sum"),
            "residual": along(np.array([one.residual for one in judged]), "distance of the sum to the integer"),
            "error_bound": along(np.array([bound for _, _, bound, _ in found]), "bound of the error of the sum"),
            "n_exact": along(np.array([n for *_, n in found], dtype=np.int64), "pairs in exact arithmetic"),
            "status": along(np.array([one.status.value for one in judged], dtype="U16"), "verdict on the pair"),
            "curves": ((), count, {"units": "1", "long_name": "number of loops"}),
        },
        coords={
            "curve_a": along(ends[:, 0], "position of the first loop"),
            "curve_b": along(ends[:, 1], "position of the second loop"),
        },
    )
