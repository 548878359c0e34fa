"""Small nonlinear least-squares problems within bounds: Levenberg and Marquardt's method on the free parameters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .models import Floats

ITERATIONS = 200
STALLED = 1e-13
"""Relative gain at which a step changes nothing any more."""

Residual = Callable[[Floats], tuple[Floats, Floats]]
"""theta -> (data - model, d model/d theta)."""


def least_squares(function: Residual, start: Floats, lower: Floats, upper: Floats) -> tuple[Floats, float]:
    """The parameters of least sum of squares near `start`, and that sum.

    A parameter on its bound is held there while the descent points outwards.
    """
    theta = np.clip(start, lower, upper)
    residual, jacobian = function(theta)
    squares, damping = float(residual @ residual), 1e-3
    for _ in range(ITERATIONS):
        gradient = jacobian.T @ residual
        free = ~((theta <= lower) & (gradient < 0) | (theta >= upper) & (gradient > 0))
        if not free.any() or damping > 1e12:
            break
        columns = jacobian[:, free]
        normal = columns.T @ columns
        damped = normal + damping * np.diag(np.diag(normal) + 1e-30)
        step = np.linalg.solve(damped, gradient[free])
        if step @ gradient[free] <= STALLED * squares:  # the gain that the linear model promises
            break
        trial = theta.copy()
        trial[free] += step
        trial = np.clip(trial, lower, upper)
        new, slopes = function(trial)
        gained = squares - float(new @ new)
        if not gained > 0:
            damping = max(10 * damping, 1e-6)
            continue
        theta, residual, jacobian, squares = trial, new, slopes, squares - gained
        damping /= 10
        if gained <= STALLED * squares:
            break
    return theta, squares
