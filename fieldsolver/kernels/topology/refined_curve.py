"""A polygon on a smooth curve whose corners are added where they are needed, and checked between them."""

from __future__ import annotations

import math

import numpy as np

from fieldsolver.errors import CurveError

from .curves import Points, common_scale
from .smooth_curve import MARGIN, ROUNDING, SAMPLES, SmoothCurve

FIRST_SEGMENTS = 64

GOLDEN = (math.sqrt(5) - 1) / 2
"""Multiples of it, modulo 1, fall into step with no period: equal steps see nothing of a wave that fits into them."""

CHECKS = 4
"""Points that are looked at between two corners, at least."""


class RefinedCurve:
    """A polygon on a smooth curve, with the deviation of each chord.

    Attributes:
        bound: of the second derivative: given, or estimated.
        parameters: ``(N,)``, of the corners.
        corners: ``(N, 3)``.
        deviation: ``(N,)``, the largest distance of each chord to its arc: h^2 times the bound / 8.
        reach: ``(N,)``, the same with rounding.
    """

    def __init__(self, curve: SmoothCurve, name: str) -> None:
        self.curve, self.name, self.bound = curve, name, curve.bound(name)
        self.parameters = curve.period / FIRST_SEGMENTS * np.arange(FIRST_SEGMENTS)
        self._place()

    @property
    def size(self) -> int:
        """The number of segments."""
        return len(self.parameters)

    def segments(self) -> tuple[Points, Points]:
        """Where they begin and end."""
        return self.corners, np.roll(self.corners, -1, axis=0)

    def halve(self, which: np.ndarray) -> None:
        """Put a corner into the middle of some chords."""
        middles = self.parameters[which] + self._steps()[which] / 2
        self.parameters = np.sort(np.concatenate([self.parameters, middles]))
        self._place()

    def shortest(self, which: np.ndarray) -> float:
        """The least parameter interval among some chords, as a share of the period."""
        return float(self._steps()[which].min() / self.curve.period)

    def corrected(self) -> bool:
        """Whether points between the corners lie farther from their chords than they may: the estimate is raised then.

        Corners in equal steps miss waves that fit into a step, and so does an estimate from them; these points are at
        multiples of the golden ratio.

        Raises:
            CurveError: the bound was given; or a point is not finite.
        """
        needed = self._sampled_bound()
        if needed <= self.bound:
            return False
        if self.curve.acceleration is not None:
            raise self.curve.contradiction(needed, self.name)
        self.bound = MARGIN * needed
        self._place()
        return True

    def _sampled_bound(self) -> float:
        """The least second derivative that explains the distances of points between the corners to their chords."""
        count = max(CHECKS, -(-SAMPLES // self.size))
        share = np.modf(GOLDEN * np.arange(1, self.size * count + 1))[0].reshape(self.size, count)
        steps = self._steps()
        parameters = self.parameters[:, None] + share * steps[:, None]
        points = np.asarray(self.curve.values(parameters.ravel(), self.name), dtype=np.float64)
        if points.shape[1:] != (3,) or not np.isfinite(points).all():
            raise CurveError(f"the function of {self.name} returns points that are not finite between others that are")
        begin, end = (ends[:, None, :] for ends in self.segments())
        chords = begin + share[:, :, None] * (end - begin)
        scale = common_scale(self.corners, points)  # squares of 1e200 overflow
        off = np.linalg.norm(scale * points.reshape(chords.shape) - scale * chords, axis=2)
        length = float(np.linalg.norm(scale * (end - begin), axis=2).sum())  # parameters are rounded too
        rounding = ROUNDING * (scale * float(np.abs(self.corners).max()) + length)
        return float((8 * (off.max(axis=1) - rounding) / steps**2).max()) / scale

    def _steps(self) -> np.ndarray:
        return np.diff(self.parameters, append=self.parameters[0] + self.curve.period)

    def _place(self) -> None:
        self.corners = self.curve.points(self.parameters, self.name)
        self.deviation = self.bound * self._steps() ** 2 / 8
        self.reach = self.deviation + ROUNDING * np.abs(self.corners).max()
