"""Waves far longer than the stencil: what a scheme does to them in the limit, where sampled angles never arrive.

With the angle theta = k h a wave has ``lambda = i a theta - b theta^(2m)`` to leading order, and a step of a method
with ``|R(iy)|^2 - 1 = e y^q`` multiplies its square by ``1 + e (dt a theta)^q - 2 dt b theta^(2m)``. For small theta
the lower of the powers q and 2m decides: with q < 2m and e > 0 every step grows, however small. The limit along a
ladder of shrinking angles shows the same without an expansion: it tends to zero as a power of theta, or to a number.
"""

from __future__ import annotations

import math

import numpy as np

from ..schemes.scheme import Floats, Scheme
from .modes import Modes

LONGEST = 0.35
"""Waves with angles below this are long."""
SLOPE = 0.5
"""A limit that falls with a higher power of the angle tends to zero."""


def long_wave_limit(scheme: Scheme, modes: Modes) -> float:
    """The limit that long waves tend to: 0, a number, or infinity.

    Args:
        scheme: a method with one part.
        modes: waves at a dense set of angles.
    """
    angle = np.abs(modes.theta).max(axis=1)
    chosen = np.flatnonzero((angle > 0) & (angle < LONGEST) & ~modes.growing & (np.abs(modes.eigenvalues) > 0))
    if chosen.size == 0:
        return math.inf
    angles, limits = _ladder(scheme, modes, chosen, angle)
    if any(value == 0 for value in limits):
        return 0.0
    finite = np.isfinite(limits)
    if finite.sum() < 3:
        return math.inf
    x, y = np.log(angles[finite]), np.log(limits[finite])
    slope = float(np.polyfit(x[:4], y[:4], 1)[0])
    if slope > SLOPE:
        return 0.0
    if slope < -SLOPE:
        return math.inf  # longer waves allow longer steps: the short ones decide
    return _extrapolated(angles[finite], limits[finite])


def _ladder(scheme: Scheme, modes: Modes, chosen: np.ndarray, angle: Floats) -> tuple[Floats, Floats]:
    """Limits of waves of one length each, from long to short; rounding spoils the real parts of the very longest."""
    angles, limits = [], []
    floor = 3e-14 * modes.rate
    for target in np.geomspace(0.02, LONGEST, 10):
        near = chosen[np.abs(angle[chosen] / target - 1) < 0.12]
        kept = near[(np.abs(modes.eigenvalues[near].real) > floor) | (modes.eigenvalues[near].real == 0)]
        if kept.size == 0:
            continue
        centre = np.median(angle[kept])
        kept = kept[np.argsort(np.abs(angle[kept] - centre))[:8]]
        angles.append(float(angle[kept].mean()))
        limits.append(scheme.largest_step(modes.eigenvalues[kept]).dt)
    return np.array(angles), np.array(limits)


def _extrapolated(angles: Floats, limits: Floats) -> float:
    """The value at angle zero of a series in its square."""
    count = min(angles.size, 4)
    return float(np.polynomial.Polynomial.fit(angles[:count] ** 2, limits[:count], min(2, count - 1))(0.0))
