"""Least-squares fits of ``phi_0 + alpha h^p`` and its relatives to values on four or more grids; see
`discretisation_uncertainty` for the procedure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .models import Floats

ORDERS = np.linspace(0.05, 8.0, 160)
ACCEPTED = (0.5, 2.0)


@dataclass(frozen=True)
class GridFit:
    """One fit.

    Attributes:
        model: in words.
        limit: phi_0.
        order: p; 1.5 of the law with both terms, by convention.
        free: whether p was fitted.
        free_order: p where it is left free, whatever law was taken.
        sigma: standard deviation.
        fitted: the law on the grids.
    """

    model: str
    limit: float
    order: float
    free: bool
    free_order: float
    sigma: float
    fitted: Floats


def best_grid_fit(h: Floats, phi: Floats) -> GridFit:
    """The fit that the procedure takes: over both weightings, the one of least standard deviation."""
    return min((_weighted(h, phi, weights) for weights in (np.ones_like(h), 1 / h)), key=lambda fit: fit.sigma)


def _weighted(h: Floats, phi: Floats, weights: Floats) -> GridFit:
    w = weights / weights.sum()
    p, accepted = _free_order(h, phi, w)
    if accepted and ACCEPTED[0] <= p <= ACCEPTED[1]:
        return _fit(h, phi, w, (p,), "free order", order=p, free=True, free_order=p)
    candidates = [
        _fit(h, phi, w, (1.0,), "first order", order=1.0, free=False, free_order=p),
        _fit(h, phi, w, (2.0,), "second order", order=2.0, free=False, free_order=p),
    ]
    if not accepted or p < ACCEPTED[0]:
        candidates.append(_fit(h, phi, w, (1.0, 2.0), "first and second order", order=1.5, free=False, free_order=p))
    return min(candidates, key=lambda fit: fit.sigma)


def _free_order(h: Floats, phi: Floats, w: Floats) -> tuple[float, bool]:
    """The best p, and whether it lies inside the range that was searched."""
    from scipy.optimize import minimize_scalar

    def squares(p: float) -> float:
        return _solve(h, phi, w, (float(p),))[1]

    start = int(np.argmin([squares(p) for p in ORDERS]))
    if start in (0, len(ORDERS) - 1):
        return float(ORDERS[start]), False
    found = minimize_scalar(
        squares, bounds=(ORDERS[start - 1], ORDERS[start + 1]), method="bounded", options={"xatol": 1e-12}
    )
    return float(found.x), True


def _fit(
    h: Floats,
    phi: Floats,
    w: Floats,
    powers: Sequence[float],
    model: str,
    *,
    order: float,
    free: bool,
    free_order: float,
) -> GridFit:
    coefficients, squares, fitted = _solve(h, phi, w, powers)
    n, unknowns = len(h), 1 + len(powers) + free
    sigma = float(np.sqrt(n * squares / (n - unknowns)))  # weights sum to one: n w_i is 1 for equal ones
    return GridFit(model, float(coefficients[0]), order, free, free_order, sigma, fitted)


def _solve(h: Floats, phi: Floats, w: Floats, powers: Sequence[float]) -> tuple[Floats, float, Floats]:
    """Weighted linear least squares in (1, h^p, ...)."""
    scale = h / h.max()
    matrix = np.stack([np.ones_like(h), *(scale**p for p in powers)], axis=1)
    root = np.sqrt(w)
    coefficients, *_ = np.linalg.lstsq(matrix * root[:, None], phi * root, rcond=None)
    fitted = matrix @ coefficients
    return coefficients, float(w @ (phi - fitted) ** 2), fitted
