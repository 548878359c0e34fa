"""Minimisation with many unknowns: SciPy's L-BFGS-B, from one point after the other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from .newton import Runs
from .objective import Objective

GRADIENT_TOLERANCE = 1e-6


def descend(objective: Objective, x: np.ndarray, max_iterations: int, report: Callable[[float], None]) -> Runs:
    """Minimise from every row of `x` (S, P); the Hessian stays unknown (NaN)."""
    from scipy.optimize import minimize

    size = x.shape[1]
    parts = []
    for number, start in enumerate(x):
        worst = [0.0]

        def both(point: np.ndarray, worst: list[float] = worst) -> tuple[float, np.ndarray]:
            value, gradient = objective.gradient(torch.from_numpy(point)[None])
            if not np.isfinite(value[0]):  # the line search interpolates, and cannot do that with infinity
                return 2 * worst[0] + 1e3, np.zeros(size)
            worst[0] = max(worst[0], abs(float(value[0])))
            return float(value[0]), gradient[0]

        options = {"maxiter": max_iterations, "maxfun": 10 * max_iterations, "ftol": 1e-13, "gtol": GRADIENT_TOLERANCE}
        parts.append(minimize(both, start, jac=True, method="L-BFGS-B", options=options))
        report((number + 1) / len(x))
    gradient = np.stack([part.jac for part in parts])
    scale = 1 + np.abs([part.fun for part in parts])
    flat = np.abs(gradient).max(axis=1) <= 1e-4 * scale
    return Runs(
        np.stack([part.x for part in parts]), np.array([float(part.fun) for part in parts]), gradient,
        np.full((len(x), size, size), np.nan), np.where(flat, 0.0, np.inf), np.array([part.nit for part in parts]),
    )  # fmt: skip
