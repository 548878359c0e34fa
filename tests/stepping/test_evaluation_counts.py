"""Evaluations of f against SciPy's solvers with the same tableaus, at equal tolerances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from fieldsolver.methods import METHODS
from fieldsolver.stepping import VectorField, integrate


class Problem(NamedTuple):
    f: Callable[[Any, Any], Any]  # (torch or numpy, y (..., n))
    y0: list[float]
    t1: float


def kepler(xp: Any, y: Any) -> Any:
    r3 = (y[..., 0] ** 2 + y[..., 1] ** 2) ** 1.5
    return xp.stack((y[..., 2], y[..., 3], -y[..., 0] / r3, -y[..., 1] / r3), -1)


def lorenz(xp: Any, y: Any) -> Any:
    a, b, c = y[..., 0], y[..., 1], y[..., 2]
    return xp.stack((10 * (b - a), a * (28 - c) - b, a * b - 8 / 3 * c), -1)


def van_der_pol(xp: Any, y: Any) -> Any:
    return xp.stack((y[..., 1], 2 * (1 - y[..., 0] ** 2) * y[..., 1] - y[..., 0]), -1)


PROBLEMS = {
    "Kepler": Problem(kepler, [0.4, 0.0, 0.0, 2.0], 20.0),  # eccentricity 0.6
    "Lorenz": Problem(lorenz, [1.0, 1.0, 1.0], 10.0),
    "van der Pol": Problem(van_der_pol, [2.0, 0.0], 20.0),
}
PAIRS = {"bosh3": ("RK23", [1e-3, 1e-5]), "dopri5": ("RK45", [1e-4, 1e-6, 1e-8]), "dop853": ("DOP853", [1e-5, 1e-8])}


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("name", PAIRS)
def test_no_more_evaluations_than_scipy(name: str, problem: str) -> None:
    f, y0, t1 = PROBLEMS[problem]
    theirs, tolerances = PAIRS[name]
    for tolerance in tolerances:
        options = {"rtol": tolerance, "atol": tolerance}
        expected = solve_ivp(lambda t, y: f(np, y), (0.0, t1), y0, method=theirs, **options).nfev
        start = torch.tensor([y0], dtype=torch.float64)
        stats = integrate(VectorField(lambda p, t, y: f(torch, y)), METHODS[name], start, 0.0, t1, **options).stats
        assert stats.nfev.item() <= 1.1 * expected
