"""Faults of `stability` that users found, each with the number it got wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.analysis import stability
from fieldsolver.errors import EquationError, OptionError
from fieldsolver.results import Verdict

PERIODIC = fs.Periodic()


def on_line(text, **options):
    return fs.FieldEquation(text, grid=fs.Grid(64, extent=64), boundary=PERIODIC, **options)


def spiral(growth):
    return fs.FieldEquation("dx/dt = m*x - 10*y; dy/dt = 10*x + m*y", parameters={"m": growth})


def limit(equation, method, **options):
    return float(stability(equation, method=method, **options)["dt_max"][0])


# ------------------------------------------------------------------------------------------ growing modes


def test_waves_that_grow_slowly_were_left_out():
    equation = on_line("du/dt = 1j*laplacian(u) + 0.001*u", complex_fields=("u",))
    result = stability(equation, method="rk4")
    assert float(result["dt_max"][0]) == pytest.approx(math.sqrt(8) / 4, rel=1e-9)
    assert float(result["growth_beyond"][0]) > 0.1
    assert stability(equation, method="rk4", dt=5.0).status is Verdict.FAIL
    assert stability(equation, method="rk4", dt=0.7).status is Verdict.PASS


def test_runs_of_slowly_growing_waves_part_at_the_limit():
    equation = on_line("du/dt = 1j*laplacian(u) + 0.001*u", complex_fields=("u",))
    y = torch.randn(1, 64, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    dt = limit(equation, "rk4")
    ends = [
        fs.solve(equation, y, t_span=(0.0, 300 * share * dt), dt=share * dt, method="rk4", check="off")
        .y[-1]
        .abs()
        .max()
        for share in (0.98, 1.05)
    ]
    assert ends[0] < 10
    assert ends[1] > 1e6


@pytest.mark.parametrize("growth", [-1e-3, -1e-9, 0.0, 1e-13, 1e-9, 1e-3])
def test_the_limit_passes_smoothly_through_neutral(growth):
    assert limit(spiral(growth), "rk4") == pytest.approx(math.sqrt(8) / 10, rel=1e-3)
    assert stability(spiral(growth), method="rk4", dt=5.0).status is Verdict.FAIL


@pytest.mark.parametrize("growth", [1e-9, 1e-3, 0.5])
def test_euler_may_double_a_growth(growth):
    """|1 + dt (a + ib)| <= exp(2 a dt): dt = 2 a / b^2 to first order."""
    dt = limit(spiral(growth), "euler")
    assert dt == pytest.approx(2 * growth / 100, rel=0.02)
    if growth > 1e-6:
        for share, holds in ((0.95, True), (1.05, False)):
            z = share * dt * (growth + 10j)
            assert (math.log(abs(1 + z)) <= 2 * z.real) is holds


def test_implicit_euler_overshoots_growth():
    """1/(1 - z) = exp(2 z) at z = 0.7968; at z = 1 the step is not defined."""
    growth = fs.FieldEquation("dx/dt = x")
    assert limit(growth, "backward_euler") == pytest.approx(0.796812, rel=1e-5)
    assert stability(growth, method="backward_euler", dt=1.0).status is Verdict.FAIL


def test_steps_that_do_not_resolve_growth_are_not_passed():
    result = stability(fs.FieldEquation("dx/dt = x"), method="rk4", dt=5.0)
    assert result.status is Verdict.INCONCLUSIVE
    assert "only steps up to 1 resolve that" in result.reason
    assert stability(fs.FieldEquation("dx/dt = x"), method="rk4", dt=0.5).status is Verdict.PASS


def test_the_recommended_step_follows_growth():
    result = stability(fs.FieldEquation("dx/dt = 5*x; dy/dt = -0.01*y; dz/dt = -0.02*z"), method="rk4")
    assert float(result["dt_recommended"][0]) < 1.0


# ------------------------------------------------------------------------------------ the recommended step


@pytest.mark.parametrize("wall", [PERIODIC, fs.Neumann(0.0), fs.Robin(1e-6, 1, 0)], ids=["ring", "neumann", "robin"])
def test_all_routes_resolve_the_same_waves(wall):
    equation = fs.FieldEquation("du/dt = laplacian(u)", grid=fs.Grid(64, extent=1.0), boundary=wall)
    steps = [
        float(stability(equation, method="euler", route=route)["dt_recommended"][0]) for route in (None, "spectrum")
    ]
    assert steps == pytest.approx([2.957e-5] * 2, rel=1e-3)


# -------------------------------------------------------------------------------------------------- noise


def test_noise_that_grows_in_the_mean_square_leaves_the_mean_to_be_judged():
    equation = fs.FieldEquation("dx/dt = -x + 2*x*white_noise(0)", calculus="ito")
    result = stability(equation, method="euler_maruyama", dt=10.0)
    assert result.status is Verdict.FAIL
    assert float(result["dt_max"][0]) == pytest.approx(2)  # |1 - dt| <= 1
    assert int(result["n_growing"]) == 1
    assert float(result["growth_max"]) == pytest.approx(2)  # -2 + 2^2
    assert "in the mean square 1 mode grows" in result.reason


@pytest.mark.parametrize("dt", [None, 0.5])
def test_methods_without_noise_do_not_apply_to_noise(dt):
    equation = fs.FieldEquation("dx/dt = -x + 2*x*white_noise(0)", calculus="ito")
    result = stability(equation, method="rk4", dt=dt)
    assert result.status is Verdict.NOT_APPLICABLE
    assert "euler_maruyama" in result.reason


# ------------------------------------------------------------------------------------- sentences, not crashes


def test_a_grid_without_end_needs_a_grid():
    with pytest.raises(OptionError, match="needs a grid, and the equation has none"):
        stability(fs.FieldEquation("dx/dt = -x"), grid="infinite")


def test_a_jacobian_that_is_not_finite_is_named():
    with pytest.raises(OptionError, match="not finite at this state"):
        stability(on_line("du/dt = laplacian(u) - sqrt(u)"), [0.0], method="rk4")


def test_parameters_per_sample_are_refused():
    equation = on_line("du/dt = D*laplacian(u)", parameters={"D": fs.PerSample(torch.tensor([1.0, 2.0]))})
    with pytest.raises(EquationError, match="'D' differs between samples"):
        stability(equation, method="rk4")


# --------------------------------------------------------------------------------------- answers where none came


def test_a_defective_jacobian_has_a_limit():
    equation = fs.FieldEquation("dx/dt = -x + y; dy/dt = -y + a; da/dt = b - a; db/dt = -b")
    result = stability(equation, method="rk4")
    assert result.status is Verdict.INCONCLUSIVE
    assert float(result["dt_max"][0]) == pytest.approx(2.78529356, rel=1e-3)


def test_a_ring_of_vertices():
    """The combinatorial Laplacian of a ring of 8 reaches -4."""
    edges = torch.tensor([[i, (i + 1) % 8] for i in range(8)])
    equation = fs.FieldEquation("du/dt = laplacian(u)", grid=fs.Graph(edges, 8))
    result = stability(equation, method="rk4")
    assert float(result["dt_max"][0]) == pytest.approx(2.78529356 / 4, rel=1e-6)
    assert "points" not in result.reason


@pytest.mark.parametrize("scheme", ["upwind1", "weno5"])
def test_upwinding_at_rest_has_a_zero_derivative_and_no_warnings(scheme):
    equation = on_line("du/dt = -advection(u, u)", scheme=fs.FiniteDifference(advection=scheme))
    result = stability(equation, [0.0], method="rk4")
    assert float(result["dt_max"][0]) == math.inf
    assert "linear theory says nothing" in result.reason


# --------------------------------------------------------------------------------------------------- words


def test_growth_is_told_at_the_step_that_was_asked_about():
    """Heun on x'' = -x: |R|^2 = 1 + dt^4/4."""
    oscillator = fs.FieldEquation("dx/dt = -y; dy/dt = x")
    for dt in (0.1, 1.0, 10.0):
        result = stability(oscillator, method="heun", dt=dt)
        assert float(result["growth_beyond"][0]) == pytest.approx(math.log1p(dt**4 / 4) / (2 * dt), rel=1e-9)
        assert f"at dt = {dt:.3g} a mode grows" in result.reason
    assert "rate" not in stability(oscillator, method="heun", dt=1e-6).reason  # nothing that one step could show


@pytest.mark.parametrize(("route", "word"), [("range", "numerical range"), ("empirical", "runs of the method")])
def test_the_route_that_was_asked_for_decides(route, word):
    equation = fs.FieldEquation("du/dt = laplacian(u)", grid=fs.Grid(16, extent=16.0), boundary=PERIODIC)
    result = stability(equation, method="rk4", route=route)
    assert result.status is Verdict.INCONCLUSIVE
    assert word in result.reason
    assert result.dataset.attrs["route"] == route
    assert float(result["dt_max"][0]) == float(result["dt_route"].sel(route=route)[0])


def test_all_methods_of_the_literature_at_once():
    equation = fs.FieldEquation("du/dt = laplacian(u) - u + u**2", grid=fs.Grid(16, extent=16.0), boundary=PERIODIC)
    result = stability(equation, [0.0], method="all")
    free = np.flatnonzero(result["work"].values == 0)
    assert result.dataset.attrs["headline"] not in result["integrator"].values[free]
    assert result.status in (Verdict.PASS, Verdict.PROVED)
