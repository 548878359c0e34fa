"""Where the energy goes between save points: the work of the terms, and what the steps add."""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.analysis import energy
from fieldsolver.analysis.schemes import energy_growth, get_scheme
from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError
from fieldsolver.results import Verdict

DUFFING = "dq/dt = p; dp/dt = -q - q**3 - 0.1*p + 0.3*cos(t)"
DUFFING_ENERGY = "0.5*p**2 + 0.5*q**2 + 0.25*q**4"
OSCILLATOR = "dq/dt = p; dp/dt = -w**2*q"
OSCILLATOR_ENERGY = "0.5*p**2 + 0.5*w**2*q**2"


def run(equation, start, span, **options):
    y0 = torch.as_tensor(start, dtype=torch.float64)
    times = torch.linspace(*span, options.pop("saves", 9), dtype=torch.float64)
    return fs.solve(equation, y0, t_span=span, save_at=times, check="off", **options)


def oscillator(w=1.0):
    return FieldEquation(OSCILLATOR, parameters={"w": w})


def wave(points=24):
    equation = FieldEquation("d2u/dt2 = laplacian(u)", grid=fs.Grid(points, extent=1.0), boundary=fs.Periodic())
    (x,) = equation.grid.coordinates()
    return equation, equation.pack({"u": torch.exp(-30 * (x - 0.5) ** 2), "du/dt": 0.0 * x})


WAVE_ENERGY = "0.5*d_dt(u)**2 - 0.5*u*laplacian(u)"


# ------------------------------------------------------------------------------------------------ work and steps


@pytest.mark.parametrize("method", ["heun", "bosh3", "rk4", "ab3", "tsit5"])
def test_what_the_steps_add_vanishes_at_the_order_of_the_method(method):
    equation = FieldEquation(DUFFING)
    solution = run(equation, [[1.0, 0.0], [0.4, 0.3]], (0.0, 3.2), dt=0.05, method=method)
    coarsest = 0.05 if method == "heun" else 0.1
    ladder = [coarsest / 2**k for k in range(4)]
    result = energy(equation, solution, density=DUFFING_ENERGY, ladder=ladder)
    assert result.status is Verdict.PASS, result.reason
    order = {"heun": 2, "bosh3": 3, "rk4": 4, "ab3": 3, "tsit5": 5}[method]
    assert order - 0.15 < result["closure_order_hi"]
    local = np.log2(result["closure_error"].values[-2] / result["closure_error"].values[-1])
    assert abs(local - order) < 0.3


def test_the_change_of_the_energy_is_the_work_of_the_terms_and_of_the_steps():
    """The work of the damping against a quadrature of its own: scipy on the densely saved solution."""
    from scipy.integrate import simpson

    equation = FieldEquation(DUFFING)
    solution = run(equation, [1.0, 0.0], (0.0, 6.0), rtol=1e-10, atol=1e-12, saves=2001)
    result = energy(equation, solution, density=DUFFING_ENERGY)
    work = result["work"].isel(time=-1)
    q, p, t = solution.y[:, 0].numpy(), solution.y[:, 1].numpy(), solution.t.numpy()
    assert float(work.sel(term="dp/dt: -(0.1*p)")) == pytest.approx(simpson(-0.1 * p**2, x=t), rel=1e-8)
    assert float(work.sel(term="dp/dt: 0.3*cos(t)")) == pytest.approx(simpson(0.3 * np.cos(t) * p, x=t), rel=1e-8)
    assert float(work.sel(term="dp/dt: -q")) == pytest.approx(-(q[-1] ** 2 - q[0] ** 2) / 2, rel=1e-8)
    gained = float(result["energy"][-1] - result["energy"][0])
    assert float(work.sum()) == pytest.approx(gained, abs=1e-8)
    assert float(abs(result["numerical"]).max()) < 1e-8


def test_samples_with_steps_of_their_own_are_followed_each_by_itself():
    equation = FieldEquation(DUFFING)
    both = run(equation, [[1.0, 0.0], [3.0, 0.3]], (0.0, 4.0), rtol=1e-5)
    result = energy(equation, both, density=DUFFING_ENERGY)
    assert result["steps"].values[0] != result["steps"].values[1]
    alone = run(equation, [3.0, 0.3], (0.0, 4.0), rtol=1e-5)
    single = energy(equation, alone, density=DUFFING_ENERGY)
    assert result["work"].isel(batch=1).values == pytest.approx(single["work"].values, rel=1e-9, abs=1e-12)
    assert result["numerical"].isel(batch=1).values == pytest.approx(single["numerical"].values, abs=1e-12)


def test_a_linear_invariant_is_kept_exactly_by_any_method():
    equation = FieldEquation(
        "du/dt = laplacian(u) - d_dx(u**2)/2", grid=fs.Grid(32, extent=6.0), boundary=fs.Periodic()
    )
    (x,) = equation.grid.coordinates()
    solution = fs.solve(
        equation, {"u": 1 + torch.sin(x)}, t_span=(0, 1), dt=0.01, method="heun", save_at=torch.linspace(0, 1, 11)
    )
    result = energy(equation, solution, density="u", expect="conserved", rtol=1e-13, ladder=[0.01, 0.005, 0.0025])
    assert result.status is Verdict.PASS, result.reason
    assert float(abs(result["numerical"]).max()) < 1e-13
    assert "round-off" in result.reason
    assert result.dataset.attrs["certificate"] == "exact"
    quadratic = energy(equation, solution, density="0.5*u**2")
    assert quadratic.dataset.attrs["certificate"] == "empirical"
    assert (result["role"] == "conservative").all()


def test_solutions_that_cannot_be_followed_say_why():
    ball = FieldEquation("dx/dt = v; dv/dt = -1", events=[fs.Event("x", direction="down", reset={"v": "-0.5*v"})])
    solution = run(ball, [1.0, 0.0], (0.0, 3.0))
    result = energy(ball, solution, density="0.5*v**2 + x")
    assert result.status is Verdict.PASS
    assert np.isnan(result["work"].values).all()
    assert result.dataset.attrs["steps_not_followed"] == "events interrupt its steps"
    duffing = FieldEquation(DUFFING)
    result = energy(duffing, run(duffing, [1.0, 0.0], (0.0, 1.0)), steps=False)
    assert np.isnan(result["numerical"].values).all()
    with pytest.raises(OptionError, match="steps can be followed, but events interrupt"):
        energy(ball, solution, density="0.5*v**2 + x", ladder=[0.1, 0.05, 0.025])


def test_a_state_that_the_steps_do_not_lead_to_is_noticed():
    from dataclasses import replace

    equation = FieldEquation(DUFFING)
    solution = run(equation, [1.0, 0.0], (0.0, 2.0))
    y = solution.y.clone()
    y[-1] += 1e-3
    result = energy(equation, replace(solution, y=y), density=DUFFING_ENERGY)
    assert "do not lead to its states" in result.dataset.attrs["steps_not_followed"]


# ------------------------------------------------------------------------------------------------- modes


@pytest.mark.parametrize(
    ("method", "polynomial"),
    [
        ("euler", {2: 1}),
        ("heun", {4: Fraction(1, 4)}),
        ("midpoint", {4: Fraction(1, 4)}),
        ("ssprk33", {4: Fraction(-3, 36), 6: Fraction(1, 36)}),
        ("bosh3", {4: Fraction(-1, 12), 6: Fraction(1, 36)}),
        ("rk4", {6: Fraction(-8, 576), 8: Fraction(1, 576)}),
        ("rk38", {6: Fraction(-1, 72), 8: Fraction(1, 576)}),
        ("dopri5", {6: Fraction(-1, 1800), 8: Fraction(1, 1600)}),
        ("ssprk104", {6: Fraction(-1, 3240)}),
    ],
)
def test_runs_gain_what_the_printed_polynomials_say(method, polynomial):
    """|R(iy)|^2 - 1 of the literature, leading terms: exact fractions, the dataset, and the run itself."""
    numerator, denominator = energy_growth(get_scheme(method))
    assert denominator == (1,)
    for power, value in polynomial.items():
        assert numerator[power] == value
    assert all(value == 0 for power, value in enumerate(numerator) if power < min(polynomial))
    w, dt = 2.0, 0.15
    equation = oscillator(w)
    result = energy(
        equation, run(equation, [1.0, 0.0], (0.0, 3.0), dt=dt, method=method, saves=21), density=OSCILLATOR_ENERGY
    )
    exact = float(sum(value * Fraction(3, 10) ** power for power, value in enumerate(numerator)))
    assert float(result["predicted_growth_per_step"][0]) == pytest.approx(exact, rel=1e-9, abs=1e-15)
    assert float(result["measured_growth_per_step"][0]) == pytest.approx(exact, rel=1e-8, abs=1e-14)
    per_step = result["energy"].values[1:] / result["energy"].values[:-1] - 1
    assert per_step == pytest.approx(exact, rel=1e-8, abs=1e-14)


def test_every_mode_of_a_wave_loses_what_is_predicted():
    equation, y0 = wave()
    solution = fs.solve(equation, y0, t_span=(0, 1), dt=0.02, method="rk4", save_at=torch.linspace(0, 1, 26))
    result = energy(equation, solution, density=WAVE_ENERGY, expect="conserved")
    predicted, measured = result["predicted_growth_per_step"].values, result["measured_growth_per_step"].values
    assert len(predicted) >= 10
    assert measured == pytest.approx(predicted, rel=1e-6)
    assert result["measured_phase_per_step"].values == pytest.approx(
        result["predicted_phase_per_step"].values, rel=1e-5, abs=1e-12
    )
    frequencies = result["mode_rate_im"].values
    h = equation.grid.spacing[0]
    assert frequencies[0] == pytest.approx(2 / h * np.sin(np.pi * h), rel=1e-10)  # discrete dispersion relation
    assert "the time steps made" in result.reason


def test_nonlinear_and_adaptive_runs_have_no_modes():
    duffing = FieldEquation(DUFFING)
    assert "mode" not in energy(duffing, run(duffing, [1.0, 0.0], (0.0, 1.0), dt=0.1, method="rk4")).dataset.dims
    linear = oscillator()
    assert "mode" not in energy(linear, run(linear, [1.0, 0.0], (0.0, 1.0))).dataset.dims


# ----------------------------------------------------------------------------------------------- repairs


def test_the_smaller_step_that_is_recommended_keeps_the_energy():
    equation = oscillator(2.0)
    solution = run(equation, [1.0, 0.0], (0.0, 10.0), dt=0.125, method="rk4")
    result = energy(equation, solution, density=OSCILLATOR_ENERGY, expect="conserved", rtol=1e-6)
    assert result.status is Verdict.FAIL
    assert "the time steps made" in result.reason
    remedies = result["repair"].values.tolist()
    assert {"relaxation", "projection", "smaller dt", "another method", "Stoermer-Verlet"} <= set(remedies)
    costs = result["repair_cost"].values
    assert (np.diff(costs[np.isfinite(costs)]) >= 0).all()
    smaller = result.dataset.sel(repair="smaller dt")
    assert int(smaller["repair_available"]) == 1
    dt = 0.125 / float(smaller["repair_cost"])
    count = int(np.ceil(10.0 / dt))
    again = run(equation, [1.0, 0.0], (0.0, 10.0), dt=10.0 / count, method="rk4", max_steps=count + 1)
    assert energy(equation, again, density=OSCILLATOR_ENERGY, expect="conserved", rtol=1e-6).status is Verdict.PASS


def test_a_discretisation_that_changes_the_energy_is_told_from_the_steps():
    equation, y0 = wave()
    solution = fs.solve(equation, y0, t_span=(0, 1), dt=0.005, method="rk4", save_at=torch.linspace(0, 1, 26))
    wide = energy(equation, solution, density="0.5*d_dt(u)**2 + 0.5*gradient_squared(u)", expect="conserved")
    assert wide.status is Verdict.FAIL
    assert "the equation made" in wide.reason
    assert "conservative form" in wide["repair"].values
    matching = energy(equation, solution, density=WAVE_ENERGY, expect="conserved", rtol=1e-4)
    assert matching.status is Verdict.PASS, matching.reason
    assert matching["role"].values.tolist() == ["conservative", "conservative"]


def test_an_order_below_that_of_the_method_fails(monkeypatch):
    """As if bosh3 claimed order 4."""
    monkeypatch.setattr("fieldsolver.analysis.budgets.verdict.get_method", lambda name: SimpleNamespace(order=4))
    equation = FieldEquation(DUFFING)
    solution = run(equation, [1.0, 0.0], (0.0, 3.2), dt=0.05, method="bosh3")
    result = energy(equation, solution, density=DUFFING_ENERGY, ladder=[0.1, 0.05, 0.025, 0.0125])
    assert result.status is Verdict.FAIL
    assert "vanishes too slowly" in result.reason
