"""What the step size does to the exponents: short stretches with the step and with half of it, from the same states."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .interval import Floats
from .orbit import Orbit

STRETCHES = 64
"""So many stretches, over the ensemble and one after the other."""
FOLDING = 2.0
"""A stretch ends before neighbours have separated by e to this power."""


SAFETY = 2.0
"""Error of the step over its change by halving it: 2 at order 1, less at higher orders."""


@dataclass(frozen=True)
class Resolution:
    """Both are zero for maps, which have no step.

    Attributes:
        error: (k,) what the step does to the local exponents, at most: twice their change when it is halved.
        transport: how far the tangent f(y(0)), carried along, misses f(y(T)), relative; NaN for maps, systems that
            depend on time, and where f is zero. It vanishes for the exact flow.
    """

    error: Floats
    transport: float


def resolution(orbit: Orbit, steps: int, every: int, fastest: float, *, autonomous: bool) -> Resolution:
    """Look from where the orbit is; the orbit moves on.

    Args:
        orbit: an ensemble on the attractor.
        steps: of a block, the longest stretch.
        every: steps between two orthonormalisations.
        fastest: the largest exponent.
        autonomous: f does not depend on time.
    """
    count = orbit.frame.shape[1]
    if orbit.method is None:
        return Resolution(np.zeros(count), math.nan)
    span = min(steps, max(1, int(FOLDING / max(fastest * orbit.dt, 1e-12))))
    change, missed = torch.zeros(count, dtype=torch.float64), math.nan
    standing = autonomous and not bool(orbit.rate().any())  # then every stretch is the same
    rounds = 1 if standing else -(-STRETCHES // orbit.y.shape[0])
    for _ in range(rounds):
        if autonomous:
            missed = max(_transport(orbit, min(span, every)), missed)  # a NaN in second place loses
        half = orbit.copy(dt=orbit.dt / 2)
        fine = half.grow(2 * span, 2 * every)
        coarse = orbit.grow(span, every)
        change += _distance(fine, coarse).mean(0) / (span * orbit.dt * rounds)
    return Resolution(SAFETY * change.numpy(), missed)


def _distance(fine: Tensor, coarse: Tensor) -> Tensor:
    """|fine - coarse|, zero where both steps let a tangent vanish."""
    return torch.where(fine == coarse, 0.0, (fine - coarse).abs())


def _transport(orbit: Orbit, steps: int) -> float:
    """Largest ||V f(y(0)) - f(y(T))|| / ||f(y(T))|| over the ensemble, V the tangent map; NaN at rest."""
    carried = orbit.copy()
    carried.frame = torch.cat([orbit.rate().unsqueeze(1), orbit.frame[:, 1:]], 1)
    carried.advance(steps)
    rate = carried.rate()
    size = rate.norm(dim=1)
    if not bool((size > 0).all()):
        return math.nan
    return float(((carried.frame[:, 0] - rate).norm(dim=1) / size).max())
