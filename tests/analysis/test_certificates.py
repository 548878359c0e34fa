"""Certificates of energies under methods, and the structure that one step keeps."""

import math

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.analysis import certificates, energy, structure_defect
from fieldsolver.analysis.budgets.quadratic import quadratic_residual
from fieldsolver.analysis.certificates import _by_parts_residual
from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError, StateError
from fieldsolver.results import AnalysisResult, Verdict

OSCILLATOR = FieldEquation("dq/dt = p; dp/dt = -q")
STATE = torch.tensor([1.0, 0.4], dtype=torch.float64)


def heat(points=24):
    equation = FieldEquation("du/dt = laplacian(u)", grid=fs.Grid(points, extent=1.0), boundary=fs.Neumann(0))
    (x,) = equation.grid.coordinates()
    return equation, torch.sin(7 * x).unsqueeze(0)


# -------------------------------------------------------------------------------------------------- certificates


@pytest.mark.parametrize(("method", "residual"), [
    ("implicit_midpoint", 0.0), ("gauss4", 0.0), ("implicit_euler", 1.0), ("euler", 1.0), ("heun", 0.25),
    ("rk4", 1 / 9),
])  # fmt: skip
def test_the_quadratic_condition_is_decided_exactly(method, residual):
    """By hand: euler b b = 1; heun: b1 b1 = 1/4; rk4: b2 a21 - b1 b2 = 1/6 - 1/18."""
    assert quadratic_residual(method) == pytest.approx(residual, abs=0)


def test_no_explicit_method_conserves_quadratic_invariants():
    from fieldsolver.methods import METHODS

    for name, method in METHODS.items():
        if hasattr(method, "tableau"):
            assert quadratic_residual(name) > 0, name


def test_quadratic_energies():
    density = "0.5*q**2 + 0.5*p**2"
    assert certificates(OSCILLATOR, STATE, method="gauss4", density=density).status is Verdict.PROVED
    failed = certificates(OSCILLATOR, STATE, method="rk4", density=density)
    assert failed.status is Verdict.FAIL
    assert certificates(OSCILLATOR, STATE, method="ab3", density=density).status is Verdict.INCONCLUSIVE
    assert certificates(OSCILLATOR, STATE, method="rk4", density="q").status is Verdict.NOT_APPLICABLE
    pendulum = FieldEquation("dq/dt = p; dp/dt = -sin(q)")
    result = certificates(pendulum, STATE, method="gauss4", density="0.5*p**2 - cos(q)")
    assert result.status is Verdict.INCONCLUSIVE


def test_linear_energies_are_kept_by_every_method():
    equation, u = heat()
    for method in ("euler", "rk4", "ab3"):
        assert certificates(equation, u, method=method, density="u").status is Verdict.PROVED


@pytest.mark.parametrize("method", ["euler", "rk4"])
def test_a_gradient_flow_loses_energy_up_to_the_bound_and_gains_beyond(method):
    """Largest curvature of the discrete Dirichlet energy: 4/h^2 sin^2((n - 1) pi/2n)."""
    equation, u = heat()
    result = certificates(equation, u, method=method, density="-0.5*u*laplacian(u)")
    assert result.status is Verdict.PROVED
    exact = 4 * 24**2 * math.sin(23 * math.pi / 48) ** 2
    assert float(result["curvature"]) == pytest.approx(exact, rel=1e-8)
    interval = {"euler": 2.0, "rk4": 2.7852935634053}[method]
    assert float(result["dt_max"]) == pytest.approx(interval / exact, rel=1e-8)
    (x,) = equation.grid.coordinates()
    fastest = torch.cos(23 * math.pi * x)
    for factor, status in ((0.99, Verdict.PASS), (1.01, Verdict.FAIL)):
        dt = factor * float(result["dt_max"])
        times = dt * torch.arange(21, dtype=torch.float64)
        run = fs.solve(equation, {"u": fastest}, t_span=(0, float(times[-1])), dt=dt, method=method, save_at=times,
                       check="off")  # fmt: skip
        assert energy(equation, run, density="-0.5*u*laplacian(u)", expect="decreasing").status is status
    longer = certificates(equation, u, method=method, density="-0.5*u*laplacian(u)", dt=1.01 * float(result["dt_max"]))
    assert longer.status is Verdict.FAIL


def test_beyond_quadratic_energies_the_curvature_at_one_state_proves_nothing():
    (x,) = fs.Grid(24, extent=1.0).coordinates()
    equation = FieldEquation("du/dt = laplacian(u) + u - u**3", grid=fs.Grid(24, extent=1.0), boundary=fs.Neumann(0))
    density = "-0.5*u*laplacian(u) + (1 - u**2)**2/4"
    result = certificates(equation, torch.sin(x).unsqueeze(0), method="euler", density=density, dt=1e-4)
    assert result.status is Verdict.INCONCLUSIVE
    assert result.dataset.sel(property="decreasing energy")["level"] == "empirical"


@pytest.mark.parametrize("order", [2, 4, 6])
def test_summation_by_parts_holds_in_rationals(order, monkeypatch):
    assert _by_parts_residual(order) == 0
    from dataclasses import replace
    from fractions import Fraction

    from fieldsolver.space.summation_by_parts import first_derivative as module

    right = module.first_derivative(order)
    rows = [list(row) for row in right.closure]
    rows[0][1] += Fraction(1, 10**9)
    monkeypatch.setattr(module, "first_derivative", lambda _: replace(right, closure=tuple(map(tuple, rows))))
    assert _by_parts_residual(order) == Fraction(1, 10**9)


def test_certificates_are_saved_and_drawn(tmp_path):
    equation = FieldEquation("du/dt = laplacian(u)", grid=fs.Grid(16, extent=1.0, centring="node"),
                             boundary=fs.Neumann(0), space_order=None,
                             scheme=fs.FiniteDifference(order=4, closure="summation_by_parts"))  # fmt: skip
    u = torch.rand(1, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    result = certificates(equation, u, method="rk4", density="u", dt=0.1)
    assert "summation by parts" in result["property"].values
    again = AnalysisResult.from_netcdf(result.to_netcdf(tmp_path / "c.nc"))
    assert again.status is result.status
    for name, variable in result.dataset.variables.items():
        assert {"units", "long_name"} <= set(variable.attrs), name
    result.plot("dark").savefig(tmp_path / "c.png")


def test_bad_input_is_refused():
    with pytest.raises(OptionError, match="unknown method"):
        certificates(OSCILLATOR, STATE, method="rk5")
    with pytest.raises(StateError, match="needs one state"):
        certificates(OSCILLATOR, STATE.expand(3, 2), method="rk4")
    with pytest.raises(OptionError, match="positive step"):
        certificates(OSCILLATOR, STATE, method="rk4", dt=0)
    with pytest.raises(OptionError, match="needs a FieldEquation"):
        certificates(lambda t, y: -y, STATE, method="rk4")


# ---------------------------------------------------------------------------------------------- structure of a step


def pendulum(t, y):
    return torch.stack([y[1], -torch.sin(y[0])])


@pytest.mark.parametrize("method", ["implicit_midpoint", "gauss4", "symplectic_euler", "verlet"])
def test_symplectic_methods_are_symplectic(method):
    result = structure_defect(pendulum, STATE, method=method, dts=[0.4, 0.2, 0.1]).assert_pass()
    assert result["symplectic_defect"].max() < 1e-13
    symmetric = method != "symplectic_euler"
    assert (float(result["return_error"].max()) < 1e-13) is symmetric


@pytest.mark.parametrize(("method", "order"), [("euler", 2), ("heun", 4), ("rk4", 6), ("implicit_euler", 2)])
def test_others_miss_by_their_order(method, order):
    """Of a harmonic oscillator det(D) - 1 = |R(iy)|^2 - 1, hence the powers of the energy growth."""
    result = structure_defect(OSCILLATOR, STATE, method=method, dts=[0.2, 0.1, 0.05, 0.025])
    assert result.status is Verdict.FAIL
    assert float(result["symplectic_order"]) == pytest.approx(order, abs=0.1)
    if method == "rk4":
        y = result["dt"].values
        assert result["symplectic_defect"].values == pytest.approx(y**6 * (8 - y**2) / 576, rel=1e-6)


def test_the_energy_of_the_oscillator_is_kept_by_what_certificates_prove():
    """The certificate against 200 steps of the method."""
    from fieldsolver.analysis.budgets.one_step import step_map

    def rate(t, y):
        return torch.stack([y[1], -y[0]])

    for method, kept in (("gauss4", True), ("implicit_midpoint", True), ("implicit_euler", False)):
        step, y = step_map(rate, method), STATE
        for _ in range(200):
            y = step(torch.zeros(()), y, torch.tensor(0.1))
        change = abs(float((y @ y) / (STATE @ STATE)) - 1)
        assert (change < 1e-12) is kept


def test_verlet_conserves_its_own_energy_exactly():
    """Kick, drift, kick: p^2/2 + (1 - h^2/4) q^2/2."""
    from fieldsolver.analysis.budgets.one_step import step_map

    h, y = 0.5, STATE
    step = step_map(lambda t, y: torch.stack([y[1], -y[0]]), "verlet")

    def own(y):
        return float(0.5 * y[1] ** 2 + 0.5 * (1 - h**2 / 4) * y[0] ** 2)

    first = own(y)
    for _ in range(100):
        y = step(torch.zeros(()), y, torch.tensor(h))
        assert own(y) == pytest.approx(first, rel=1e-13)


def test_systems_without_the_structure():
    damped = structure_defect(lambda t, y: torch.stack([y[1], -y[0] - 0.1 * y[1]]), STATE, method="verlet", dts=[0.1])
    assert damped.status is Verdict.NOT_APPLICABLE
    odd = structure_defect(lambda t, y: -y, torch.ones(3, dtype=torch.float64), method="rk4", dts=[0.1])
    assert odd.status is Verdict.NOT_APPLICABLE
    with pytest.raises(OptionError, match="antisymmetric"):
        structure_defect(pendulum, STATE, method="rk4", dts=[0.1], structure=torch.eye(2))
    with pytest.raises(OptionError, match="single step is known of"):
        structure_defect(pendulum, STATE, method="ab3", dts=[0.1])
    with pytest.raises(StateError, match="float64"):
        structure_defect(pendulum, STATE.float(), method="rk4", dts=[0.1])


def test_defects_are_saved_and_drawn(tmp_path):
    result = structure_defect(pendulum, STATE, method="rk4", dts=[0.2, 0.1, 0.05])
    again = AnalysisResult.from_netcdf(result.to_netcdf(tmp_path / "d.nc"))
    assert np.array_equal(again["symplectic_defect"], result["symplectic_defect"])
    for name, variable in result.dataset.variables.items():
        assert {"units", "long_name"} <= set(variable.attrs), name
    result.plot().savefig(tmp_path / "d.png")
