"""Linking numbers of smooth closed curves: polygons refined until nothing can pass between a curve and its polygon.

A chord over a parameter interval of length h stays within h^2 A / 8 of its arc, A a bound of the second derivative
(linear interpolation). Move every point of both curves straight to its chord: as long as the distance of two chords is
larger than the sum of their two deviations, no point of one curve meets the other on the way, and the linking number of
the polygons is that of the curves. Chords that are too close are halved.

Source: the linear homotopy as in Qu, James, *Fast linking numbers for topology verification of loopy structures*, ACM
Trans. Graph. 40 (2021), section 5; the deviation bound is that of linear interpolation.
"""

from __future__ import annotations

import math

import numpy as np

from fieldsolver.errors import CurveError, OptionError
from fieldsolver.results import Verdict

from .curves import common_scale, is_whole
from .gauss_sum import GaussSum
from .linking_number import SCHEMA, Judged, LinkingNumber, linking_dataset, linking_result
from .refined_curve import FIRST_SEGMENTS, RefinedCurve
from .smooth_curve import SmoothCurve

MOST_SEGMENTS = 100_000
MOST_PAIRS = 5 * 10**8
"""Pairs of segments: ten seconds on two threads of a good core, less than a minute on one."""

FINEST = 2.0**-26
"""Share of the period below which no chord is halved: its deviation is then that of rounding."""

FEW_PAIRS = 2**22
"""Pairs of segments that are looked at without much ado."""

PROBES = 64
"""Corners of the other polygon to which chords are plainly too close, before all pairs are looked at."""


def smooth_linking_number(
    a: SmoothCurve, b: SmoothCurve, most_segments: int = MOST_SEGMENTS, most_pairs: int = MOST_PAIRS
) -> LinkingNumber:
    """The linking number of two smooth closed curves.

    Args:
        a, b: the curves.
        most_segments: of either polygon, before the search is given up.
        most_pairs: of segments, one of each polygon; the work is proportional to them.

    Returns:
        As `linking_number`, with `deviation_a`, `deviation_b` (largest distance of a curve to its polygon) and
        `segments_a`, `segments_b`. PROVED needs a bound of both second derivatives; with estimates it is PASS, after
        points between the corners, in irregular places, have confirmed them. What is narrower than the distance of all
        samples (some 2000 in a period) stays unseen: then a PASS may be wrong.
        UNRESOLVED: the curves come so close that `most_segments` or `most_pairs` do not tell on which side they pass.

    Raises:
        CurveError: a function does not return points in space, or does not depend on its parameter, is not closed, or
            contradicts its `acceleration`; or a or b is no `SmoothCurve`.
        OptionError: `most_segments` or `most_pairs` is no whole number.
    """
    for curve, name in ((a, "a"), (b, "b")):
        if not isinstance(curve, SmoothCurve):
            raise CurveError(
                f"{name} is a {type(curve).__name__}, expected a SmoothCurve(function); polygons go to linking_number"
            )
    _check_most("most_segments", most_segments, FIRST_SEGMENTS)
    _check_most("most_pairs", most_pairs, FIRST_SEGMENTS**2)
    first, second = RefinedCurve(a, "a"), RefinedCurve(b, "b")
    why = _refine(first, second, most_segments, most_pairs)
    if why:
        return _unresolved(first, second, why)
    result = linking_result(first.corners, second.corners)
    proved = result.status is Verdict.PROVED and a.acceleration is not None and b.acceleration is not None
    status = Verdict.PASS if result.status is Verdict.PROVED and not proved else result.status
    reason = (
        f"{result.reason}; the polygons ({first.size} and {second.size} segments) can be moved to the curves freely"
    )
    if status is Verdict.PASS:
        reason += " if the estimated second derivatives are right (give acceleration= for a proof)"
    return _with_refinement(result, first, second, status, reason)


def _check_most(name: str, value: object, least: int) -> None:
    if not is_whole(value) or value < least:  # type: ignore[operator]  # it is an integer here
        raise OptionError(f"{name} is a whole number, {least} or more; got {value!r}")


def _refine(first: RefinedCurve, second: RefinedCurve, most_segments: int, most_pairs: int) -> str:
    """Halve chords until nothing passes between the curves and their polygons; else say why that is not reached."""
    while True:
        if first.size * second.size > most_pairs:
            return f"{first.size} x {second.size} segments do not tell how they pass; raise most_pairs"
        near_a, near_b = _close(first, second)
        if not near_a.any():
            if first.corrected() | second.corrected():  # both
                continue
            return ""
        if max(first.size + near_a.sum(), second.size + near_b.sum()) > most_segments:
            return f"{most_segments} segments do not tell how they pass; raise most_segments"
        if min(one.shortest(near) for one, near in ((first, near_a), (second, near_b)) if near.any()) < FINEST:
            return "float64 does not tell how they pass: they touch, or nearly"
        first.halve(near_a)
        second.halve(near_b)


def _close(first: RefinedCurve, second: RefinedCurve) -> tuple[np.ndarray, np.ndarray]:
    """Chords of each that the other may pass, as masks: all of them, or many that are plainly too close."""
    from .distance import close_segments

    scale = common_scale(first.corners, second.corners)  # squares of 1e200 overflow
    chords = [
        (scale * begin, scale * end, scale * one.reach) for one in (first, second) for begin, end in [one.segments()]
    ]
    if first.size * second.size > FEW_PAIRS:
        plain = _close_to_probes(chords[0], chords[1])
        if plain[0].any():
            return plain
    near = close_segments(*chords[0], *chords[1])
    return near[0], near[1]


Chords = tuple[np.ndarray, np.ndarray, np.ndarray]


def _close_to_probes(one: Chords, other: Chords) -> tuple[np.ndarray, np.ndarray]:
    """Chords whose first corner is within reach of one of a few corners of the other polygon, and those chords too."""
    masks = np.zeros(len(one[0]), dtype=bool), np.zeros(len(other[0]), dtype=bool)
    for own, mask, far, far_mask in ((one, masks[0], other, masks[1]), (other, masks[1], one, masks[0])):
        for probe in range(0, len(far[0]), -(-len(far[0]) // PROBES)):
            near = np.linalg.norm(own[0] - far[0][probe], axis=1) <= own[2] + far[2][probe]
            mask |= near
            far_mask[probe] |= near.any()
    return masks


def _unresolved(first: RefinedCurve, second: RefinedCurve, why: str) -> LinkingNumber:
    """No number; the sum of the polygons is only taken where it costs little."""
    if first.size * second.size <= FEW_PAIRS:
        result = linking_result(first.corners, second.corners)
        far = f" (their polygons {float(result['min_distance']):.3g})"
    else:
        unknown = Judged(0, math.nan, Verdict.UNRESOLVED, why), GaussSum(math.nan, math.inf, 0, None), math.nan
        result, far = LinkingNumber(linking_dataset(*unknown), Verdict.UNRESOLVED, why, SCHEMA), ""
    reason = f"the curves come so close{far} that {why}"
    return _with_refinement(result, first, second, Verdict.UNRESOLVED, reason)


def _with_refinement(
    result: LinkingNumber, first: RefinedCurve, second: RefinedCurve, status: Verdict, reason: str
) -> LinkingNumber:
    more = {}
    for name, curve in (("a", first), ("b", second)):
        deviation = {"units": "length", "long_name": f"largest distance of curve {name} to its polygon"}
        more[f"deviation_{name}"] = ((), float(curve.deviation.max()), deviation)
        more[f"segments_{name}"] = ((), curve.size, {"units": "1", "long_name": f"segments of the polygon of {name}"})
    return LinkingNumber(result.dataset.assign(more), status, reason, result.schema)
