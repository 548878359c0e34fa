"""The schemes that only torchdiffeq's names need: order conditions in exact arithmetic, measured orders."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import torch
from torch import Tensor

from fieldsolver.compat.method_names import ADAPTIVE, FIXED, load
from fieldsolver.methods import (
    ExplicitRungeKutta,
    embedded_residuals,
    get_method,
    interpolant_residuals,
    method_residuals,
)
from fieldsolver.stepping import VectorField, integrate

OWN = ["heun3", "fehlberg2", "dopri8"]
ROUNDED = 1e-14
"""RK8(7)13M was published with rational numbers of about 18 digits for irrational ones."""


def scheme(name: str) -> ExplicitRungeKutta:
    method = load(name)
    assert isinstance(method, ExplicitRungeKutta)
    return method


@pytest.mark.parametrize("name", OWN)
def test_orders_in_exact_arithmetic(name: str) -> None:
    tableau = scheme(name).tableau
    assert max(abs(r) for r in method_residuals(tableau).values()) < ROUNDED
    assert max((abs(r) for r in embedded_residuals(tableau).values()), default=0) < ROUNDED
    assert max(abs(c) for r in interpolant_residuals(tableau).values() for c in r or (0,)) < ROUNDED


@pytest.mark.parametrize("name", OWN)
def test_orders_are_no_higher(name: str) -> None:
    tableau = scheme(name).tableau
    assert max(abs(r) for r in method_residuals(tableau, tableau.order + 1).values()) > 1e-6
    if tableau.embedded_order is not None:
        assert max(abs(r) for r in embedded_residuals(tableau, tableau.embedded_order + 1).values()) > 1e-7
    higher = interpolant_residuals(tableau, (tableau.interpolant_order or 0) + 1)
    assert max(abs(c) for r in higher.values() for c in r or (0,)) > 1e-3


def test_the_interpolant_of_dopri8_misses_one_condition_of_order_six_by_little() -> None:
    theta = np.linspace(0.0, 1.0, 101)
    missed = {}
    for tree, residual in interpolant_residuals(scheme("dopri8").tableau, 6).items():
        largest = np.abs(np.polynomial.polynomial.polyval(theta, [float(c) for c in residual])).max() if residual else 0
        if largest > 1e-12:
            missed[tree] = largest
    assert list(missed) == [((((((),),),),),)]
    assert max(missed.values()) < 3.2e-6


def test_the_interpolant_of_dopri8_is_smooth() -> None:
    """Slopes at the ends: those of the first and of the last stage."""
    method = scheme("dopri8")
    assert method.tableau.interpolant is not None
    for i, row in enumerate(method.tableau.interpolant):
        slope = sum((n + 1) * float(c) for n, c in enumerate(row))
        assert abs((float(row[0]) if row else 0.0) - (i == 0)) < 1e-13
        assert abs(slope - (i == method.stages - 1)) < 1e-11


@pytest.mark.parametrize("name", ["heun3", "fehlberg2"])
def test_measured_order(name: str) -> None:
    method = scheme(name)
    errors = [solution_error(method, 1.0 / steps) for steps in (32, 64, 128)]
    slopes = np.log2(errors[:-1]) - np.log2(errors[1:])
    assert abs(slopes[-1] - method.order) <= 0.15, slopes


def solution_error(method: ExplicitRungeKutta, dt: float) -> float:
    """On y' = -y cos t + sin t at t = 1, against the method of order 9."""

    def f(p: tuple, t: Tensor, y: Tensor) -> Tensor:
        return -y * torch.cos(t)[:, None] + torch.sin(t)[:, None] + 0.1 * y**2

    y0 = torch.ones(1, 1, dtype=torch.float64)
    field = VectorField(f)
    exact = integrate(field, get_method("vern9"), y0, 0.0, 1.0, dt=0.05).y_end
    return (integrate(field, method, y0, 0.0, 1.0, dt=dt).y_end - exact).abs().item()


def test_order_of_dopri8_in_extended_precision() -> None:
    with mpmath.workdps(40):
        errors = [extended_error(scheme("dopri8"), steps) for steps in (4, 8, 16)]
        slope = mpmath.log(errors[-2] / errors[-1], 2)
    assert abs(slope - 8) <= 0.15 or slope > 8


def extended_error(method: ExplicitRungeKutta, steps: int) -> mpmath.mpf:
    """y' = y cos t, y = exp(sin t), with the same tableau and 40 digits."""
    tableau = method.tableau
    a = [[mpmath.mpf(v.numerator) / v.denominator for v in row] for row in tableau.a]
    b, c = ([mpmath.mpf(v.numerator) / v.denominator for v in row] for row in (tableau.b, tableau.c))
    h, y = mpmath.mpf(2) / steps, mpmath.mpf(1)
    for n in range(steps):
        k: list[mpmath.mpf] = []
        for row, node in zip(a, c, strict=True):
            stage = y + h * sum((w * s for w, s in zip(row, k, strict=False)), mpmath.mpf(0))
            k.append(stage * mpmath.cos((n + node) * h))
        y += h * sum(w * s for w, s in zip(b, k, strict=True))
    return abs(y - mpmath.exp(mpmath.sin(2)))


def test_names_lead_to_methods() -> None:
    for name, file in {**ADAPTIVE, **FIXED}.items():
        assert load(file).error_order is not None or name in FIXED
