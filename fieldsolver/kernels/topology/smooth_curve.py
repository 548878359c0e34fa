"""Smooth closed curves r(t), and what samples say of their second derivative."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fieldsolver.errors import CurveError

from .curves import Points, closed_polygon, common_scale, is_number, open_polygon, real_array

SAMPLES = 2048
"""Parameters at which the second derivative is sampled where no bound of it is given."""

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
            is estimated by samples, and the linking number is then supported, not proved: details that all samples
            miss are not seen.
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
        return closed_polygon(self.values(parameters, name), name)

    def bound(self, name: str) -> float:
        """`acceleration`, or the estimate: central second differences at `SAMPLES` places, times `MARGIN`.

        Raises:
            CurveError: the samples show that the curve is not closed, or that `acceleration` is no bound: a second
                difference of step h is at most h^2 times the largest second derivative (Taylor).
        """
        h = self.period / SAMPLES
        sampled = open_polygon(self.values(h * np.arange(SAMPLES + 1), name), name)
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
            raise self.contradiction(largest / h**2 / scale, name)
        return self.acceleration

    def contradiction(self, sampled: float, name: str) -> CurveError:
        """The error of samples that show a second derivative of this length, larger than `acceleration`."""
        return CurveError(
            f"acceleration={self.acceleration:g} is no bound of the second derivative of {name}: samples reach "
            f"{sampled:.6g}; give a larger one, or None to estimate it"
        )

    def values(self, parameters: np.ndarray, name: str) -> np.ndarray:
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
