"""Smooth closed curves: polygons refined until nothing can pass between a curve and its polygon.

A chord over a parameter interval of length h stays within h^2 A / 8 of its arc, A a bound of the second derivative
(linear interpolation). Move every point of both curves straight to its chord: as long as the distance of two chords is
larger than the sum of their two deviations, no point of one curve meets the other on the way, and the linking number of
the polygons is that of the curves. Chords that are too close are halved.

Source: the linear homotopy as in Qu, James, *Fast linking numbers for topology verification of loopy structures*, ACM
Trans. Graph. 40 (2021), section 5; the deviation bound is that of linear interpolation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fieldsolver.errors import CurveError, OptionError
from fieldsolver.results import Verdict

from .curves import Points, closed_polygon, common_scale, is_number, is_whole, open_polygon, real_array
from .linking_number import LinkingNumber, linking_result

FIRST_SEGMENTS = 64
MOST_SEGMENTS = 100_000
SAMPLES = 2048
"""Parameters at which the second derivative is sampled where no bound of it is given."""

FINEST = 2.0**-26
"""Share of the period below which no chord is halved: its deviation is then that of rounding."""

CLOSED = 1e-9
"""Largest gap between the points at 0 and at the period, as a share of the largest coordinate: rounding leaves less."""

ROUNDING = 16 * 2.0**-53
"""Rounding of a corner and of a distance, as a share of the largest coordinate."""

MARGIN = 2.0
"""Factor on the sampled second derivative; a guess, so the result is then not called proved."""


@dataclass(frozen=True)
class SmoothCurve:
    """A closed curve r(t), 0 <= t < period.

    Attributes:
        function: takes parameters ``(n,)`` (NumPy) and returns points ``(n, 3)``; periodic.
        period: of the parameter.
        acceleration: a bound of the length of the second derivative; samples that contradict it are refused. None: it
            is estimated by samples, and the linking number is then supported, not proved.
    """

    function: Callable[[np.ndarray], Any]
    period: float = 2 * math.pi
    acceleration: float | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing."""
        if not callable(self.function):
            raise CurveError(
                f"function takes parameters (n,) and returns points (n, 3); got {type(self.function).__name__}"
            )
        if not (is_number(self.period) and math.isfinite(self.period) and self.period > 0):
            raise CurveError(f"period is the length of the parameter interval, a positive number; got {self.period!r}")
        bound = 0.0 if self.acceleration is None else self.acceleration
        if not (is_number(bound) and math.isfinite(bound) and bound >= 0):
            raise CurveError(f"acceleration bounds |r''(t)| and is not negative; got {self.acceleration!r}")

    def points(self, parameters: np.ndarray, name: str) -> Points:
        """The points ``(n, 3)`` at some parameters."""
        return closed_polygon(self._values(parameters, name), name)

    def bound(self, name: str) -> float:
        """`acceleration`, or the estimate: central second differences at `SAMPLES` places, times `MARGIN`.

        Raises:
            CurveError: the samples show that the curve is not closed, or that `acceleration` is no bound: a second
                difference of step h is at most h^2 times the largest second derivative (Taylor).
        """
        h = self.period / SAMPLES
        sampled = open_polygon(self._values(h * np.arange(SAMPLES + 1), name), name)
        scale = common_scale(sampled)  # squares of 1e200 overflow
        sampled = scale * sampled
        gap, points = float(np.linalg.norm(sampled[-1] - sampled[0])), sampled[:-1]
        if gap > CLOSED * float(np.abs(sampled).max()):
            raise CurveError(
                f"{name} is not closed: its points at 0 and at period = {self.period:g} lie {gap / scale:.3g} apart; "
                "give the period of the function"
            )
        second = np.roll(points, 1, axis=0) - 2 * points + np.roll(points, -1, axis=0)
        largest = float(np.linalg.norm(second, axis=1).max())
        if self.acceleration is None:
            return MARGIN * largest / h**2 / scale
        if largest - _rounding(sampled) > scale * self.acceleration * h**2:
            raise CurveError(
                f"acceleration={self.acceleration:g} is no bound of the second derivative of {name}: samples reach "
                f"{largest / h**2 / scale:.6g}; give a larger one, or None to estimate it"
            )
        return self.acceleration

    def _values(self, parameters: np.ndarray, name: str) -> np.ndarray:
        """What the function returns, one row per parameter."""
        values = real_array(self.function(parameters), name, "(n, 3)")
        if values.shape[:1] != parameters.shape:
            raise CurveError(
                f"the function of {name} returned shape {values.shape} for {len(parameters)} parameters, expected "
                f"{(len(parameters), 3)}"
            )
        return values


def _rounding(sampled: Points) -> float:
    """Rounding of a second difference: of coordinates, and of parameters times the speed (length over period)."""
    speed = len(sampled) * float(np.linalg.norm(np.diff(sampled, axis=0), axis=1).max())
    return ROUNDING * (float(np.abs(sampled).max()) + speed)


def smooth_linking_number(a: SmoothCurve, b: SmoothCurve, most_segments: int = MOST_SEGMENTS) -> LinkingNumber:
    """The linking number of two smooth closed curves.

    Args:
        a, b: the curves.
        most_segments: of either polygon, before the search is given up.

    Returns:
        As `linking_number`, with `deviation_a`, `deviation_b` (largest distance of a curve to its polygon) and
        `segments_a`, `segments_b`. PROVED needs a bound of both second derivatives; with estimates it is PASS.
        UNRESOLVED: the curves come so close that `most_segments` do not tell on which side they pass.

    Raises:
        CurveError: a function does not return points in space, or does not depend on its parameter, is not closed, or
            contradicts its `acceleration`; or a or b is no `SmoothCurve`.
        OptionError: `most_segments` is no whole number.
    """
    for curve, name in ((a, "a"), (b, "b")):
        if not isinstance(curve, SmoothCurve):
            raise CurveError(
                f"{name} is a {type(curve).__name__}, expected a SmoothCurve(function); polygons go to linking_number"
            )
    if not is_whole(most_segments) or most_segments < FIRST_SEGMENTS:
        raise OptionError(f"most_segments is a whole number, {FIRST_SEGMENTS} or more; got {most_segments!r}")
    first, second = _Refined(a, "a"), _Refined(b, "b")
    while True:
        near_a, near_b = _close(first, second)
        if not near_a.any():
            break
        if max(first.size + near_a.sum(), second.size + near_b.sum()) > most_segments:
            return _unresolved(
                first, second, f"{most_segments} segments do not tell how they pass; raise most_segments"
            )
        if min(first.shortest(near_a), second.shortest(near_b)) < FINEST:
            return _unresolved(first, second, "float64 does not tell how they pass: they touch, or nearly")
        first.halve(near_a)
        second.halve(near_b)
    result = linking_result(first.corners, second.corners)
    proved = result.status is Verdict.PROVED and a.acceleration is not None and b.acceleration is not None
    status = Verdict.PASS if result.status is Verdict.PROVED and not proved else result.status
    reason = (
        f"{result.reason}; the polygons ({first.size} and {second.size} segments) can be moved to the curves freely"
    )
    if status is Verdict.PASS:
        reason += " if the estimated second derivatives are right (give acceleration= for a proof)"
    return _with_refinement(result, first, second, status, reason)


def _close(first: _Refined, second: _Refined) -> tuple[np.ndarray, np.ndarray]:
    """The chords of each that the other may pass, as masks; lengths are scaled, squares of 1e200 overflow."""
    from .distance import close_segments

    scale = common_scale(first.corners, second.corners)
    chords = [
        (scale * begin, scale * end, scale * one.reach) for one in (first, second) for begin, end in [one.segments()]
    ]
    near = close_segments(*chords[0], *chords[1])
    return near[0], near[1]


class _Refined:
    """A polygon on a smooth curve, with the deviation of each chord."""

    def __init__(self, curve: SmoothCurve, name: str) -> None:
        self.curve, self.name, self.bound = curve, name, curve.bound(name)
        self.parameters = curve.period / FIRST_SEGMENTS * np.arange(FIRST_SEGMENTS)
        self._place()

    @property
    def size(self) -> int:
        return len(self.parameters)

    def segments(self) -> tuple[Points, Points]:
        return self.corners, np.roll(self.corners, -1, axis=0)

    def halve(self, which: np.ndarray) -> None:
        """Put a corner into the middle of some chords."""
        middles = self.parameters[which] + self._steps()[which] / 2
        self.parameters = np.sort(np.concatenate([self.parameters, middles]))
        self._place()

    def shortest(self, which: np.ndarray) -> float:
        """The least parameter interval among some chords, as a share of the period."""
        return float(self._steps()[which].min() / self.curve.period)

    def _steps(self) -> np.ndarray:
        return np.diff(self.parameters, append=self.parameters[0] + self.curve.period)

    def _place(self) -> None:
        self.corners = self.curve.points(self.parameters, self.name)
        self.deviation = self.bound * self._steps() ** 2 / 8
        self.reach = self.deviation + ROUNDING * np.abs(self.corners).max()


def _unresolved(first: _Refined, second: _Refined, why: str) -> LinkingNumber:
    result = linking_result(first.corners, second.corners)
    reason = f"the curves come so close (their polygons {float(result['min_distance']):.3g}) that {why}"
    return _with_refinement(result, first, second, Verdict.UNRESOLVED, reason)


def _with_refinement(
    result: LinkingNumber, first: _Refined, second: _Refined, status: Verdict, reason: str
) -> LinkingNumber:
    more = {}
    for name, curve in (("a", first), ("b", second)):
        deviation = {"units": "length", "long_name": f"largest distance of curve {name} to its polygon"}
        more[f"deviation_{name}"] = ((), float(curve.deviation.max()), deviation)
        more[f"segments_{name}"] = ((), curve.size, {"units": "1", "long_name": f"segments of the polygon of {name}"})
    return LinkingNumber(result.dataset.assign(more), status, reason, result.schema)
