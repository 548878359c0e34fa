"""SSP radii against the literature, against nodepy, and against what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from fieldsolver.methods import METHODS
from fieldsolver.methods.monotonicity import ssp_radius

TABLEAUX = {name: method.tableau for name, method in METHODS.items() if hasattr(method, "tableau")}

# Gottlieb, Ketcheson, Shu, Strong Stability Preserving Runge-Kutta and Multistep Time Discretizations (2011), chap. 6.
RADII = {
    "euler": 1.0,
    "heun": 1.0,
    "rk4": 0.0,
    "tsit5": 0.0,
    "ssprk33": 1.0,
    "ssprk43": 2.0,
    "ssprk54": 1.508180049,
    "ssprk104": 6.0,
}


@pytest.mark.parametrize("name", RADII)
def test_the_radius_is_the_published_one(name: str) -> None:
    assert ssp_radius(TABLEAUX[name]) == pytest.approx(RADII[name], abs=1e-9)


@pytest.mark.parametrize("name", [name for name in TABLEAUX if TABLEAUX[name].stages < 12])
def test_nodepy_finds_the_same_radius(name: str) -> None:
    runge_kutta_method = pytest.importorskip("nodepy.runge_kutta_method")
    tableau = TABLEAUX[name]
    a = np.zeros((tableau.stages, tableau.stages))
    for i, row in enumerate(tableau.a):
        a[i, :i] = [float(value) for value in row]
    oracle = runge_kutta_method.ExplicitRungeKuttaMethod(a, np.array([float(value) for value in tableau.b]))
    assert oracle.absolute_monotonicity_radius() == pytest.approx(ssp_radius(tableau), abs=1e-6)


def total_variation(u: np.ndarray) -> float:
    return float(np.abs(np.diff(u, append=u[:1])).sum())


@pytest.mark.parametrize("name", [name for name in RADII if RADII[name] > 0])
def test_steps_within_the_radius_keep_the_total_variation_of_upwind_advection(name: str) -> None:
    """Euler keeps it up to a Courant number of 1."""
    tableau, radius = TABLEAUX[name], ssp_radius(TABLEAUX[name])
    u = np.where(np.arange(60) < 20, 1.0, 0.0)
    limit = total_variation(u)
    for _ in range(30):
        stages: list[np.ndarray] = []
        for row in (*tableau.a, tableau.b):
            v = u + radius * sum((float(a) * k for a, k in zip(row, stages, strict=False)), np.zeros_like(u))
            stages.append(np.roll(v, 1) - v)
            assert total_variation(v) <= limit * (1 + 1e-10)
        u = v
