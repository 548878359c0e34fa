"""How fast a small disturbance spreads into an unstable uniform state.

In a frame that moves with v a wave ``exp(i k x + sigma t)`` grows at ``sigma(k) + i k v``. At long times the wave with
``sigma'(k) + i v = 0``, a saddle point in the complex plane, is seen; the spreading speed is the v at which it neither
grows nor decays (W. van Saarloos, Physics Reports 386, 29 (2003), equations 11 and 12).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .growth import branch_jet
from .symbol import Ray

STEPS, ITERATIONS = 2000, 50
FRACTION = 0.02


@dataclass(frozen=True)
class Spreading:
    """The saddle point at the edge.

    Attributes:
        speed: the linear spreading speed v.
        k: the complex wave number there: its imaginary part is the decay ahead of the front.
        growth: sigma(k), complex.
        residual: of the two equations.
    """

    speed: float
    k: complex
    growth: complex
    residual: float


def spreading(ray: Ray, start: float) -> Spreading | None:
    """Follow the saddle from the fastest growing wave at v = 0 to the v at which it is marginal.

    Args:
        ray: the symbol along the direction of the front.
        start: the wave number of fastest growth.
    """
    from scipy.optimize import brentq

    saddle = _Saddle(ray, complex(start))
    if saddle.growth.real <= 0:
        return None
    step = FRACTION * float(np.sqrt(saddle.growth.real * abs(saddle.curvature)))
    if not step > 0:
        return None
    speed = 0.0
    for _ in range(STEPS):
        before = saddle.k, saddle.growth
        if not saddle.follow(speed + step):
            return None
        if saddle.margin(speed + step) <= 0:
            saddle.k, saddle.growth = before
            break
        speed += step
    else:
        return None

    def margin(v: float) -> float:
        saddle.k, saddle.growth = before
        saddle.follow(v)
        return saddle.margin(v)

    v = float(brentq(margin, speed, speed + step, xtol=1e-15 * (speed + step), rtol=4 * np.finfo(float).eps))
    residual = max(abs(margin(v)), abs(saddle.slope + 1j * v))
    return Spreading(v, saddle.k, saddle.growth, residual)


class _Saddle:
    """A complex k with ``sigma'(k) + i v = 0``, on the branch that it started on."""

    def __init__(self, ray: Ray, k: complex) -> None:
        self._ray, self.k = ray, k
        self.growth = complex(np.inf)
        self.slope = self.curvature = 0j
        self._evaluate()

    def margin(self, v: float) -> float:
        """Growth in the frame that moves with v."""
        return (self.growth + 1j * self.k * v).real

    def follow(self, v: float) -> bool:
        """Newton's method for the saddle at v."""
        for _ in range(ITERATIONS):
            self._evaluate()
            if self.curvature == 0 or not np.isfinite(self.curvature):
                return False
            step = (self.slope + 1j * v) / self.curvature
            self.k -= step
            if abs(step) <= 1e-15 * max(abs(self.k), 1e-300):
                self._evaluate()
                return True
        return bool(abs(step) <= 1e-9 * abs(self.k))

    def _evaluate(self) -> None:
        near = self.growth if np.isfinite(self.growth) else None
        self.growth, self.slope, self.curvature = branch_jet(self._ray, self.k, near)
