"""Stability of Adams methods, against values isolated elsewhere and against the difference equations themselves."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest
import torch

from fieldsolver.methods.ab2 import AB2
from fieldsolver.methods.ab3 import AB3
from fieldsolver.methods.ab4 import AB4
from fieldsolver.methods.abm import ABM, HIGHEST
from fieldsolver.methods.adams_bashforth import AdamsBashforth
from fieldsolver.methods.adams_coefficients import AdamsTables, AdamsWeights
from fieldsolver.methods.adams_moulton_stability import real_interval, spectral_radius

METHODS = {"ab2": AB2, "ab3": AB3, "ab4": AB4}
REFERENCE = {  # reference/analysis.md, section 1: (real, imaginary)
    "ab2": (1.0, 0.0),
    "ab3": (6 / 11, 0.723627226986633),
    "ab4": (3 / 10, 0.429987079909256),
}


@pytest.mark.parametrize("name", METHODS)
def test_intervals_of_the_explicit_methods(name: str) -> None:
    summary = METHODS[name].describe()
    assert (summary.real_interval, summary.imaginary_interval) == pytest.approx(REFERENCE[name], abs=1e-14)
    assert (summary.name, summary.evaluations, summary.stages - summary.fsal) == (name, 1, 1)
    assert summary.order == summary.embedded_order == summary.dense_order == METHODS[name].order


def growth(method: AdamsBashforth, z: complex) -> float:
    """Size of the solution of y' = z y after 3000 steps of size 1."""
    y, t, dt = torch.ones(1, dtype=torch.complex128), torch.zeros(1).double(), torch.ones(1).double()

    def f(t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return z * y

    memory = method.start(f, t, y, f(t, y))
    for _ in range(3000):
        step = method.step(f, t, dt, y, memory, estimate=False)
        y, memory = step.y_new, step.memory
    return float(y.abs()[0])


def exit_radius(name: str, angle: float) -> float:
    return float(METHODS[name].stability.exit_radii(np.array([angle]))[0])


@pytest.mark.parametrize("angle", [0.02, 0.3, 1.0, 1.5, pi / 2])
@pytest.mark.parametrize("name", METHODS)
def test_the_solution_grows_beyond_the_exit_and_not_before(name: str, angle: float) -> None:
    radius = exit_radius(name, angle)
    direction = complex(-np.sin(angle), np.cos(angle))
    rho, sigma = METHODS[name].stability.rho, METHODS[name].stability.sigma
    coefficients = np.array([float(c) for c in rho], dtype=complex)
    coefficients[: len(sigma)] -= radius * direction * np.array([float(c) for c in sigma])
    assert np.abs(np.roots(coefficients[::-1])).max() == pytest.approx(1.0, abs=1e-12)
    assert growth(METHODS[name], 0.98 * radius * direction) < 1.0
    assert growth(METHODS[name], 1.03 * radius * direction) > 10.0


@pytest.mark.parametrize("name", METHODS)
def test_rays_near_the_axes_end_near_the_ends_of_the_intervals(name: str) -> None:
    stability = METHODS[name].stability
    assert exit_radius(name, pi / 2) == stability.real_interval
    assert exit_radius(name, pi / 2 - 1e-5) == pytest.approx(stability.real_interval, rel=1e-3)
    assert exit_radius(name, 0.0) == stability.imaginary_interval
    near = exit_radius(name, 1e-7)
    assert near == pytest.approx(stability.imaginary_interval, abs=0.01)
    assert near > 0.0  # Adams-Bashforth of order 2 decays on every ray but the axis


def test_the_interval_of_predictor_and_corrector_is_that_of_its_worst_order() -> None:
    intervals = [real_interval(order) for order in range(1, HIGHEST + 1)]
    assert intervals[0] == pytest.approx(2.0, abs=1e-8)  # order 1 is Heun's method
    summary = ABM.describe()
    assert summary.real_interval == min(intervals) > 0.05
    assert summary.evaluations == 2
    for order in (2, 5, 12):
        assert spectral_radius(order, -0.99 * intervals[order - 1]) <= 1.0 + 1e-9
        assert spectral_radius(order, -1.01 * intervals[order - 1]) > 1.0


@pytest.mark.parametrize("order", [1, 3, 8])
def test_the_characteristic_polynomial_is_that_of_the_step(order: int) -> None:
    """One step from the powers of a root multiplies by the root."""
    z = -0.1 + 0.05j
    weights = AdamsWeights(AdamsTables(12), torch.arange(1.0, 13.0, dtype=torch.float64).unsqueeze(0))
    of_end, implicit = weights.implicit(torch.tensor([order]))
    explicit = implicit - weights.correction(torch.tensor([order]))[1]
    # y_(n+1) = y_n + z (v_0 (y_n + z sum w_i y_i) + sum v_i y_i), written as a companion polynomial.
    row = z * implicit[0].numpy() + z * of_end.item() * z * explicit[0].numpy()
    row[0] += 1 + z * of_end.item()
    roots = np.roots(np.concatenate([[1.0], -row[:order]]))
    assert np.abs(roots).max() == pytest.approx(spectral_radius(order, z), rel=1e-10)
