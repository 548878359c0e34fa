"""In which direction waves grow fastest, where the equation has preferred ones."""

from __future__ import annotations

import math

import numpy as np

from .numbers import Floats
from .sampling import top_of
from .symbol import Symbol, unit

IN_PLANE, IN_SPACE, PER_RAY = 72, 200, 64
REFINEMENTS = 200


def fastest_direction(symbol: Symbol, top: float | None, fallback: float) -> Floats:
    """The unit vector along which the largest growth rate is found.

    An isotropic symbol is looked at along its first axis. Others are sampled in all directions (half of them: k and -k
    belong to one real wave), and the best is refined by the simplex method of Nelder and Mead.
    """
    if symbol.dimension <= 1 or symbol.is_isotropic:
        return unit(symbol.dimension)
    directions = sphere(symbol.dimension)
    reach = max(top or top_of(symbol.along(direction), fallback) for direction in directions[:: len(directions) // 8])
    lengths = np.linspace(0.0, reach, PER_RAY + 1)[1:]
    vectors = lengths[None, :, None] * directions[:, None, :]
    rates = np.linalg.eigvals(symbol.continuous(vectors)).real.max(-1)
    best, length = np.unravel_index(np.argmax(rates), rates.shape)
    return _refined(symbol, directions[best], float(lengths[length]), free=bool(length < len(lengths) - 1))


def sphere(dimension: int) -> Floats:
    """Unit vectors over half of the circle or sphere (a Fibonacci lattice), the axes first."""
    axes = np.eye(dimension)
    if dimension == 2:
        angle = np.pi * np.arange(IN_PLANE) / IN_PLANE
        return np.concatenate([axes, np.stack([np.cos(angle), np.sin(angle)], -1)])
    height = 1 - (np.arange(IN_SPACE) + 0.5) / IN_SPACE
    turn = np.arange(IN_SPACE) * math.pi * (3 - math.sqrt(5))
    radius = np.sqrt(1 - height**2)
    return np.concatenate([axes, np.stack([radius * np.cos(turn), radius * np.sin(turn), height], -1)])


def _refined(symbol: Symbol, direction: Floats, length: float, *, free: bool) -> Floats:
    """The maximum of the growth rate over k, or over its direction alone where it grows with the length."""
    from scipy.optimize import minimize

    def loss(vector: Floats) -> float:
        k = vector if free else vector * (length / np.linalg.norm(vector))
        return -float(np.linalg.eigvals(symbol.continuous(np.asarray(k))).real.max())

    start = direction * length
    simplex = np.concatenate([start[None], start + 0.05 * length * np.eye(len(start))])
    options = {"initial_simplex": simplex, "maxiter": REFINEMENTS, "xatol": 1e-9 * length, "fatol": 0.0}
    found = minimize(loss, start, method="Nelder-Mead", options=options)
    best = found.x if found.fun < loss(start) else start
    best = best / np.linalg.norm(best)
    snapped = np.where(np.abs(best) < 1e-6, 0.0, best)
    return snapped / np.linalg.norm(snapped) * np.sign(snapped[np.flatnonzero(snapped)[0]])
