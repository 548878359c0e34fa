"""Energies with known values, known drift and known budgets."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.analysis import convergence, energy
from fieldsolver.analysis.budgets import budget as budget_module
from fieldsolver.equations import FieldEquation
from fieldsolver.errors import EquationSyntaxError, EquationTypeError, OptionError, StateError, UnknownNameError
from fieldsolver.results import AnalysisResult, Verdict

OSCILLATOR = "dq/dt = p; dp/dt = -w**2*q"
OSCILLATOR_ENERGY = "0.5*p**2 + 0.5*w**2*q**2"
KINK_ENERGY = "0.5*v**2 + 0.5*gradient_squared(u) + 1 - cos(u)"


def states(t, y):
    """A synthetic solution: only what the analyser looks at."""
    return SimpleNamespace(t=torch.as_tensor(t, dtype=torch.float64), y=torch.as_tensor(y, dtype=torch.float64))


def oscillate(method, dt, steps, w=1.0):
    equation = FieldEquation(OSCILLATOR, parameters={"w": w})
    y0 = torch.tensor([1.0, 0.0], dtype=torch.float64)
    times = dt * torch.arange(steps + 1, dtype=torch.float64)
    span = (0.0, dt * steps)
    return equation, fs.solve(equation, y0, t_span=span, dt=dt, method=method, save_at=times, check="off")


# ------------------------------------------------------------------------------------------------ conservation


@pytest.mark.parametrize(
    ("method", "growth"),
    [
        ("euler", lambda y: y**2),
        ("heun", lambda y: y**4 / 4),
        ("rk4", lambda y: y**6 * (y**2 - 8) / 576),
    ],
)
def test_the_oscillator_gains_what_the_stability_polynomial_says(method, growth):
    """Relative energy per step: |R(iy)|^2 - 1 with y = w dt."""
    equation, solution = oscillate(method, 0.125, 40, w=2.0)
    result = energy(equation, solution, density=OSCILLATOR_ENERGY, expect="conserved", rtol=1e-9)
    per_step = result["energy"].values[1:] / result["energy"].values[:-1] - 1
    assert per_step == pytest.approx(growth(0.25), rel=1e-8, abs=1e-15)
    assert result.status is Verdict.FAIL
    assert "secular drift" in result.reason
    assert np.abs(result["rate"].values).max() < 1e-12 * result["energy"].values.max()  # the equation is innocent


def test_an_accurate_solution_conserves():
    equation, solution = oscillate("rk4", 0.01, 300)
    result = energy(equation, solution, density=OSCILLATOR_ENERGY, expect="conserved", rtol=1e-8)
    assert result.status is Verdict.PASS, result.reason


def test_a_bounded_oscillation_is_no_drift():
    """One symplectic-looking ripple: an ordinary regression of it has a significant slope."""
    t = np.linspace(0, 40, 401)
    radius = np.sqrt(1 + 1e-3 * np.sin(2 * t))
    solution = states(t, np.stack([radius * np.cos(t), radius * np.sin(t)], axis=1))
    equation = FieldEquation(OSCILLATOR, parameters={"w": 1.0})
    result = energy(equation, solution, density=OSCILLATOR_ENERGY, expect="conserved", rtol=1e-2)
    assert float(result["drift_slope_lo"]) < 0 < float(result["drift_slope_hi"])
    assert "no secular drift" in result.reason


def test_a_slow_drift_under_an_oscillation_is_found():
    t = np.linspace(0, 40, 401)
    radius = np.sqrt(1 + 1e-3 * np.sin(2 * t) + 1e-4 * t)
    solution = states(t, np.stack([radius * np.cos(t), radius * np.sin(t)], axis=1))
    equation = FieldEquation(OSCILLATOR, parameters={"w": 1.0})
    result = energy(equation, solution, density=OSCILLATOR_ENERGY, expect="conserved", rtol=1e-2)
    assert float(result["drift_slope"]) == pytest.approx(1e-4, rel=0.1)
    assert float(result["drift_slope_lo"]) > 0


def kink(points, speed=0.5):
    """Sine-Gordon kink u = 4 atan exp(gamma (x - c t))."""
    gamma = 1 / math.sqrt(1 - speed**2)
    equation = FieldEquation(
        "du/dt = v; dv/dt = laplacian(u) - sin(u)",
        grid=fs.Grid(points, bounds=(-20, 20)),
        boundary={"u": {"x-": fs.Dirichlet(0), "x+": fs.Dirichlet("2*pi")}, "v": fs.Neumann(0)},
    )
    (x,) = equation.grid.coordinates()
    u, v = 4 * torch.atan(torch.exp(gamma * x)), -2 * speed * gamma / torch.cosh(gamma * x)
    return equation, equation.pack({"u": u, "v": v}), 8 * gamma


def test_the_kink_has_energy_8_gamma_to_second_order():
    def error(h):
        equation, y0, exact = kink(round(40 / h))
        result = energy(equation, states([0.0], y0.unsqueeze(0)), density=KINK_ENERGY)
        return abs(float(result["energy"][0]) - exact)

    convergence(error, [0.4, 0.2, 0.1, 0.05], expected=2).assert_pass()


def test_a_moving_kink_keeps_its_energy_to_discretisation_order():
    equation, y0, exact = kink(400)
    times = torch.linspace(0, 4, 9, dtype=torch.float64)
    solution = fs.solve(equation, y0, t_span=(0, 4), dt=0.05, method="rk4", save_at=times, check="off")
    result = energy(equation, solution, density=KINK_ENERGY, expect="conserved", rtol=1e-5)
    assert result.status is Verdict.PASS, result.reason
    assert float(result["energy"][-1]) == pytest.approx(exact, rel=1e-3)


def test_the_norm_of_a_complex_field_is_conserved_by_every_term():
    equation = FieldEquation(
        "dpsi/dt = 1j*laplacian(psi) + 1j*abs(psi)**2*psi",
        grid=fs.Grid(32, extent=6.0),
        boundary=fs.Periodic(),
        complex_fields=("psi",),
    )
    generator = torch.Generator().manual_seed(0)
    y = torch.randn(3, 1, 32, dtype=torch.complex128, generator=generator)
    result = energy(equation, SimpleNamespace(t=torch.arange(3, dtype=torch.float64), y=y))
    assert result.status is Verdict.PASS, result.reason
    assert result["energy"].values == pytest.approx((0.5 * y.abs() ** 2).sum(dim=(1, 2)).numpy() * 6 / 32)
    assert np.abs(result["budget"].values).max() < 1e-10


# -------------------------------------------------------------------------------------------------- dissipation


def heat(k=0.3):
    return FieldEquation(
        "du/dt = D*laplacian(u) - (k*u - 0.1*u**3)",
        grid=fs.Grid((12, 10), extent=(1.0, 2.0), centring="node"),
        boundary={"u": {"x": fs.Dirichlet(0), "y": fs.Neumann(0)}},
        parameters={"D": fs.Parameter(0.1, positive=True), "k": k},
    )


def warm(batch=2):
    return torch.rand(batch, 1, 12, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_heat_loses_energy_and_the_budget_closes():
    equation = heat()
    solution = fs.solve(equation, warm(), t_span=(0, 1), save_at=torch.linspace(0, 1, 6))
    result = energy(equation, solution, expect="decreasing")
    assert result.status is Verdict.PASS, result.reason
    assert result["budget"].dims == ("term", "time", "batch")
    assert result["term"].values.tolist() == ["du/dt: D*laplacian(u)", "du/dt: -(k*u)", "du/dt: 0.1*u**3"]
    total = result["budget"].sum("term").values
    assert total == pytest.approx(result["rate"].values, rel=1e-12)
    assert (result["budget"].sel(term="du/dt: -(k*u)") < 0).all()


def test_the_rate_is_the_derivative_of_the_energy():
    equation = heat()
    times = torch.tensor([0.0, 1e-4, 2e-4], dtype=torch.float64)
    solution = fs.solve(equation, warm(1)[0], t_span=(0, 2e-4), save_at=times, rtol=1e-12, atol=1e-14)
    result = energy(equation, solution)
    values = result["energy"].values
    assert (values[2] - values[0]) / 2e-4 == pytest.approx(float(result["rate"][1]), rel=1e-5)


def test_a_source_is_named_when_energy_was_expected_to_decrease():
    equation = heat(k=-50.0)
    solution = fs.solve(equation, warm(), t_span=(0, 0.01), save_at=[0, 0.005, 0.01])
    result = energy(equation, solution, expect="decreasing")
    assert result.status is Verdict.FAIL
    assert "rises by" in result.reason
    still = states([0.0, 1.0], torch.stack([warm(), warm()]))  # frozen: only the right-hand side gives it away
    found = energy(equation, still, expect="decreasing")
    assert found.status is Verdict.FAIL
    assert "'du/dt: -(k*u)'" in found.reason


def test_a_wall_that_moves_does_work_of_its_own():
    equation = FieldEquation(
        "du/dt = laplacian(u)",
        grid=fs.Grid(16, extent=1.0, centring="node"),
        boundary=fs.Dirichlet("t"),
    )
    times = torch.tensor([0.4999, 0.5, 0.5001], dtype=torch.float64)
    y = torch.rand(1, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    rows = [equation.project(t, y + (t - 0.5) * equation(0.5, y)) for t in times]
    result = energy(equation, states(times, torch.stack(rows)))
    assert result.status is Verdict.PASS, result.reason
    assert result["term"].values[-1] == budget_module.OWN_TIME
    assert result["role"].values[-1] == "boundary"
    slope = (result["energy"].values[2] - result["energy"].values[0]) / 2e-4
    assert float(result["rate"][1]) == pytest.approx(slope, rel=1e-6)


def test_a_term_that_is_lost_is_a_budget_that_does_not_close(monkeypatch):
    complete = budget_module.additive_terms
    monkeypatch.setattr(budget_module, "additive_terms", lambda node: complete(node)[:-1] or complete(node))
    result = energy(heat(), states([0.0], warm(1)))
    assert result.status is Verdict.FAIL
    assert "does not close" in result.reason


def test_vector_fields_modules_and_single_precision():
    torch.manual_seed(0)
    equation = FieldEquation("du/dt = -u + net(u)", components={"u": 3}, modules={"net": torch.nn.Linear(3, 3)})
    y = torch.randn(5, 4, 3)
    result = energy(equation, SimpleNamespace(t=torch.arange(5.0), y=y))
    assert result.status is Verdict.PASS, result.reason
    assert result["energy"].values == pytest.approx((0.5 * y**2).sum(-1).numpy(), rel=1e-5)
    assert result["energy"].attrs["long_name"].endswith("(default: no density was given)")


def test_every_sample_has_its_own_parameters_and_energy():
    equation = FieldEquation(OSCILLATOR, parameters={"w": fs.PerSample(torch.tensor([1.0, 2.0], dtype=torch.float64))})
    y0 = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    solution = fs.solve(equation, y0, t_span=(0, 3), rtol=1e-10, atol=1e-12, save_at=torch.linspace(0, 3, 11))
    result = energy(equation, solution, density=OSCILLATOR_ENERGY, expect="conserved").assert_pass()
    assert result["energy"].values[-1] == pytest.approx([0.5, 2.0], rel=1e-8)


def test_long_solutions_are_cut_into_pieces(monkeypatch):
    equation, solution = oscillate("rk4", 0.1, 50)
    whole = energy(equation, solution, density=OSCILLATOR_ENERGY)
    monkeypatch.setattr("fieldsolver.analysis.budgets.record.CHUNK", 14)
    pieces = energy(equation, solution, density=OSCILLATOR_ENERGY)
    assert pieces["budget"].equals(whole["budget"])


# ------------------------------------------------------------------------------------------ results and errors


def test_a_solve_that_ended_early_decides_nothing():
    equation, solution = oscillate("rk4", 0.1, 4)
    broken = states(solution.t, torch.where(torch.arange(5).unsqueeze(1) > 2, math.nan, solution.y))
    result = energy(equation, broken, expect="conserved")
    assert result.status is Verdict.INCONCLUSIVE
    assert "2 of 5 save points" in result.reason


def test_a_saved_energy_keeps_its_verdict_and_its_picture(tmp_path):
    equation = heat()
    result = energy(equation, states([0.0, 1.0], torch.stack([warm(), 0.5 * warm()])), expect="decreasing")
    again = AnalysisResult.from_netcdf(result.to_netcdf(tmp_path / "energy.nc"))
    assert (again.status, again.reason) == (result.status, result.reason)
    assert again["budget"].equals(result["budget"])
    again.plot().savefig(tmp_path / "energy.png")
    assert (tmp_path / "energy.png").read_bytes()[:4] == b"\x89PNG"
    for name, variable in again.dataset.variables.items():
        assert variable.attrs["long_name"], name


@pytest.mark.parametrize(
    ("density", "error", "sentence"),
    [
        ("0.5*z**2", UnknownNameError, "z"),
        ("q <", EquationSyntaxError, "parse|syntax|end"),
        ("q < p", EquationTypeError, "cannot be a comparison"),
        ("1j*q", EquationTypeError, "is real"),
        ("laplacian(q)", EquationTypeError, "needs a grid"),
    ],
)
def test_bad_densities_are_refused_in_one_sentence(density, error, sentence):
    equation, solution = oscillate("rk4", 0.1, 2)
    with pytest.raises(error, match=sentence):
        energy(equation, solution, density=density)


def test_a_density_with_components_is_refused():
    equation = FieldEquation("du/dt = -u", components={"u": 2})
    with pytest.raises(EquationTypeError, match="has 2 components"):
        energy(equation, states([0.0], torch.zeros(1, 2)), density="u**2")


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"expect": "constant"}, OptionError, "'conserved', 'decreasing' or None"),
        ({"rtol": 0}, OptionError, "positive relative change"),
        ({"confidence": 95}, OptionError, "between 0 and 1"),
    ],
)
def test_bad_options_are_refused_in_one_sentence(options, error, sentence):
    equation, solution = oscillate("rk4", 0.1, 2)
    with pytest.raises(error, match=sentence):
        energy(equation, solution, **options)


def test_a_solution_of_something_else_is_refused():
    equation, solution = oscillate("rk4", 0.1, 2)
    with pytest.raises(StateError, match="expected"):
        energy(heat(), solution)
    with pytest.raises(OptionError, match="needs a FieldEquation"):
        energy(lambda t, y: -y, solution)
    with pytest.raises(OptionError, match=r"what fs\.solve returned"):
        energy(equation, torch.zeros(3, 2))
