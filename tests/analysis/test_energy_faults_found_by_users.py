"""Answers of the energy analyses that were once wrong; each test is named after its fault."""

import math

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.analysis import certificates, energy, invariants, structure_defect
from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError, StateError
from fieldsolver.results import Verdict

ENERGY = "0.5*p**2 + 0.5*q**2"
STATE = torch.tensor([1.0, 0.4], dtype=torch.float64)
CANONICAL = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)


def pendulum(t, y):
    return torch.stack([y[1], -torch.sin(y[0])])


def rod():
    equation = FieldEquation(
        "du/dt = D*laplacian(u)", grid=fs.Grid(60, extent=1.0), boundary=fs.Neumann(0), parameters={"D": 0.1}
    )
    (x,) = equation.grid.coordinates()
    return equation, torch.cos(3 * x).unsqueeze(0)


def solved(equation, start, **options):
    times = torch.linspace(0, 1, 11, dtype=torch.float64)
    return fs.solve(equation, start, t_span=(0, 1), dt=0.01, method="rk4", save_at=times, check="off", **options)


# ---------------------------------------------------------------------------- proofs need formulas, not some states


@pytest.mark.parametrize(("text", "status"), [
    ("dq/dt = p; dp/dt = -q", Verdict.PROVED),
    ("dq/dt = p; dp/dt = -q - sin(t)*p", Verdict.NOT_APPLICABLE),  # no friction at t = 0 alone
    ("dq/dt = p; dp/dt = -q - where(t > 50, p, 0*p)", Verdict.INCONCLUSIVE),
    ("dq/dt = p; dp/dt = -q - where(q > 50, p, 0*p)", Verdict.INCONCLUSIVE),
    ("dq/dt = p; dp/dt = -q - 1e-11*p", Verdict.INCONCLUSIVE),
])  # fmt: skip
def test_certificates_proved_from_a_few_states_at_one_time(text, status):
    result = certificates(FieldEquation(text), STATE, method="gauss4", density=ENERGY)
    assert result.status is status, result.reason


def test_certificates_took_the_step_limit_of_the_first_moment():
    equation = FieldEquation("du/dt = -u*(1 + 100*t)")
    result = certificates(equation, STATE[:1], method="euler", density="0.5*u**2", dt=0.5)
    assert result.status is Verdict.NOT_APPLICABLE
    slow = FieldEquation("du/dt = -u*(1 + 1e-12*t)")
    result = certificates(slow, STATE[:1], method="euler", density="0.5*u**2", dt=0.5)
    assert result.status is Verdict.INCONCLUSIVE
    assert "depends on time" in result.reason
    assert result.dataset.sel(property="decreasing energy")["level"] == "empirical"
    steady = certificates(FieldEquation("du/dt = -u"), STATE[:1], method="euler", density="0.5*u**2", dt=0.5)
    assert steady.status is Verdict.PROVED


def test_certificates_called_a_linear_quantity_conserved_that_is_so_at_time_zero():
    equation = FieldEquation("dx/dt = -sin(t)*x + y; dy/dt = -y")
    assert certificates(equation, STATE, method="rk4", density="x + y").status is Verdict.NOT_APPLICABLE


def test_certificates_knew_nothing_of_small_terms_on_grids():
    for more, status in (("", Verdict.PROVED), (" - 1e-13*u", Verdict.INCONCLUSIVE)):
        equation = FieldEquation(f"du/dt = laplacian(u){more}", grid=fs.Grid(16, extent=1.0), boundary=fs.Periodic())
        u = torch.cos(torch.arange(16, dtype=torch.float64)).unsqueeze(0) + 2
        assert certificates(equation, u, method="rk4", density="u").status is status
        flow = certificates(equation, u, method="rk4", density="-0.5*u*laplacian(u)")
        assert flow.status is status, flow.reason


def test_certificates_failed_a_method_that_changes_nothing():
    """Every method keeps the square of what does not move; rk4 keeps no quadratic invariant in general."""
    still = FieldEquation("dx/dt = 0*x; dy/dt = -y")
    assert certificates(still, STATE, method="rk4", density="0.5*x**2").status is Verdict.INCONCLUSIVE


def test_certificates_know_complex_equations():
    grid = fs.Grid(16, extent=2 * math.pi)
    equation = FieldEquation("dpsi/dt = 1j*laplacian(psi)", grid=grid, boundary=fs.Periodic(), complex_fields=("psi",))
    psi = (torch.exp(2j * grid.coordinates()[0]) + 0.3).unsqueeze(0)
    assert certificates(equation, psi, method="gauss4").status is Verdict.PROVED
    assert certificates(equation, psi, method="rk4").status is Verdict.FAIL


def test_energy_said_exact_of_a_law_that_switches_elsewhere():
    for more, level in (("", "exact"), (" - where(x > 50, x, 0*x)", "empirical")):
        equation = FieldEquation(f"dx/dt = y{more}; dy/dt = -y")
        result = energy(equation, solved(equation, STATE), density="x + y")
        assert result.dataset.attrs["certificate"] == level


# ------------------------------------------------------------------------------------- sufficient is not necessary


@pytest.mark.parametrize(("method", "dt", "status"), [
    ("euler", 0.001385, Verdict.PROVED), ("euler", 0.001388, Verdict.INCONCLUSIVE), ("euler", 0.0014, Verdict.FAIL),
    ("rk4", 0.001932, Verdict.INCONCLUSIVE), ("rk4", 0.00196, Verdict.FAIL),
])  # fmt: skip
def test_certificates_failed_steps_beyond_a_sufficient_bound(method, dt, status):
    """The exact limit of Euler's method is 2 dx^2/(4 D cos^2(pi/120)) = 0.0013898, of rk4 1.39265 times as long."""
    equation, u = rod()
    result = certificates(equation, u, method=method, density="-0.5*D*u*laplacian(u)", dt=dt)
    assert result.status is status, result.reason


# -------------------------------------------------------------------------------------------------------- round-off


def test_energy_measured_a_vanishing_sum_against_itself():
    grid = fs.Grid(32, extent=1.0)
    equation = FieldEquation("du/dt = -d_dx(u)", grid=grid, boundary=fs.Periodic())
    solution = solved(equation, {"u": torch.sin(2 * math.pi * grid.coordinates()[0])})
    result = energy(equation, solution, density="u", expect="conserved", rtol=1e-13)
    assert result.status is Verdict.PASS, result.reason
    assert abs(result["energy"]).max() < 1e-15
    assert energy(equation, solution, density="u", expect="decreasing").status is Verdict.PASS
    leaking = FieldEquation("du/dt = -d_dx(u) + 1e-4", grid=grid, boundary=fs.Periodic())
    start = {"u": torch.sin(2 * math.pi * grid.coordinates()[0])}
    result = energy(leaking, solved(leaking, start), density="u", expect="conserved")
    assert result.status is Verdict.FAIL
    assert float(result["drift_rel"][-1]) == pytest.approx(1e-4 * math.pi / 2, rel=1e-2)  # of the mean of |sin|


def test_energy_measured_the_closure_of_a_complex_budget_against_round_off():
    grid = fs.Grid(16, extent=2 * math.pi)
    equation = FieldEquation("dpsi/dt = 1j*laplacian(psi)", grid=grid, boundary=fs.Periodic(), complex_fields=("psi",))
    result = energy(equation, solved(equation, {"psi": torch.exp(2j * grid.coordinates()[0]) + 0.3}), density="auto")
    assert result.status is Verdict.PASS, result.reason
    assert result["role"].values.tolist() == ["conservative"]


# ------------------------------------------------------------------------------------------------------- invariants


def test_invariants_accepted_several_numbers_per_state():
    equation = FieldEquation("dx/dt = -y; dy/dt = x")
    for wrong in (lambda s: s**2, lambda s: (s**2).sum(-1, keepdim=True), lambda s: (s**2).sum()):
        with pytest.raises(OptionError, match="one number per state"):
            invariants(equation, expect=wrong)
    assert invariants(equation, expect=lambda s: (s**2).sum(-1)).status is Verdict.PASS
    assert invariants(equation, expect=lambda s: s[:, 0] ** 2).status is Verdict.FAIL


# -------------------------------------------------------------------------------------------------------- structure


@pytest.mark.parametrize("factor", [1e-9, 1.0, 1e9])
def test_structure_defects_depended_on_the_size_of_the_structure(factor):
    def judged(method):
        return structure_defect(pendulum, STATE, method=method, dts=[0.2, 0.1], structure=factor * CANONICAL)

    assert judged("rk4").status is Verdict.FAIL
    assert float(judged("rk4")["symplectic_defect"][0]) == pytest.approx(8.3e-8, rel=0.02)
    assert judged("verlet").status is Verdict.PASS


def test_structure_defect_kept_no_structure_at_all():
    with pytest.raises(OptionError, match="singular"):
        structure_defect(pendulum, STATE, method="rk4", dts=[0.2], structure=0 * CANONICAL)


def test_structure_defect_called_short_steps_symplectic():
    result = structure_defect(pendulum, STATE, method="rk4", dts=[1e-4, 5e-5])
    assert result.status is Verdict.INCONCLUSIVE
    assert structure_defect(pendulum, STATE, method="rk4", dts=[0.01, 0.005]).status is not Verdict.PASS
    assert structure_defect(pendulum, STATE, method="verlet", dts=[1e-4]).status is Verdict.INCONCLUSIVE
    assert structure_defect(pendulum, STATE, method="gauss4", dts=[1e-4]).status is Verdict.PASS  # by its tableau


# ------------------------------------------------------------------------------------------------------------ roles


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("wall", [fs.Dirichlet(0), fs.Neumann(0)], ids=["held", "free"])
def test_a_held_membrane_was_said_to_be_forced(dimension, wall):
    grid = fs.Grid((12,) * dimension, extent=(1.0,) * dimension)
    equation = FieldEquation("d2u/dt2 = laplacian(u)", grid=grid, boundary=wall)
    u = torch.ones(grid.shape, dtype=torch.float64)
    for x in torch.meshgrid(*[torch.linspace(0.05, 0.95, 12, dtype=torch.float64)] * dimension, indexing="ij"):
        u = u * torch.sin(math.pi * x)
    result = energy(equation, solved(equation, {"u": u, "du/dt": 0 * u}), density="0.5*d_dt(u)**2 - 0.5*u*laplacian(u)")
    assert result["role"].values.tolist() == ["conservative", "conservative"]


def test_a_membrane_with_friction_still_loses():
    grid = fs.Grid(12, extent=1.0)
    equation = FieldEquation("d2u/dt2 = laplacian(u) - 0.5*d_dt(u)", grid=grid, boundary=fs.Dirichlet(0))
    u = torch.sin(math.pi * grid.coordinates()[0])
    result = energy(equation, solved(equation, {"u": u, "du/dt": 0 * u}), density="0.5*d_dt(u)**2 - 0.5*u*laplacian(u)")
    assert result["role"].values.tolist() == ["conservative", "conservative", "dissipative"]


# --------------------------------------------------------------------------------------------------------- messages


def test_states_that_are_no_numbers_are_named():
    equation, u = rod()
    with pytest.raises(StateError, match="NaN or infinite"):
        structure_defect(pendulum, math.nan * STATE, method="rk4", dts=[0.1])
    with pytest.raises(StateError, match="NaN or infinite"):
        certificates(equation, math.nan * u, method="euler")
    with pytest.raises(StateError, match="float64"):
        certificates(equation, u.float(), method="euler")


def test_ladders_too_short_for_an_order():
    equation = FieldEquation("dq/dt = p; dp/dt = -q")
    solution = solved(equation, STATE)
    for ladder in ([0.1], [0.1, 0.05]):
        with pytest.raises(OptionError, match="3 sizes or more"):
            energy(equation, solution, ladder=ladder)
    assert "observed order 5" in energy(equation, solution, ladder=[0.2, 0.1, 0.05]).reason


# --------------------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize(("low", "high"), [(1.38714e-8, 1.38716e-8), (0.9, 1.1), (1.2, 7.0), (1e-9, 1e-3)])
def test_ticks_of_short_log_axes_were_unreadable(low, high):
    from matplotlib.figure import Figure

    from fieldsolver.analysis.plots.short_log_axis import tidy_log

    figure = Figure()
    axes = figure.add_subplot(yscale="log")
    axes.plot([0, 1], [low, high])
    tidy_log(axes.yaxis)
    figure.canvas.draw()
    shown = [label.get_text() for label in axes.get_yticklabels(which="both") if label.get_text()]
    inside = {text for text, place in zip(shown, axes.get_yticks(), strict=False) if low <= place <= high}
    assert 2 <= len(inside) <= 8
    assert len(set(shown)) == len(shown)
    assert np.isfinite(axes.get_yticks()).all()


# ------------------------------------------------------------------------------------------------------------ speed


@pytest.mark.parametrize("method", ["rk4", "dopri5"])
def test_ladders_took_every_step_on_its_own(method, monkeypatch):
    """All steps are one batch now; where steps and saved times coincide, both ways give the same energy."""
    from fieldsolver.analysis.budgets import closure_order
    from fieldsolver.analysis.budgets.budget import Budget
    from fieldsolver.analysis.budgets.density import Energy

    equation = FieldEquation("dq/dt = p; dp/dt = -sin(q) - 0.1*p")
    budget = Budget(Energy(equation, "0.5*p**2 - cos(q)"))
    starts = torch.tensor([[1.0, 0.0], [0.3, 0.5]], dtype=torch.float64)
    monkeypatch.setattr(closure_order, "follow", None)
    together = closure_order._added(budget, starts, (0.0, 2.0), method, 0.25)
    monkeypatch.undo()
    monkeypatch.setattr(closure_order, "suits", lambda *_: False)
    assert together == pytest.approx(closure_order._added(budget, starts, (0.0, 2.0), method, 0.25), rel=1e-6)
