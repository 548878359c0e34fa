"""What an order can hide behind: stiffness, noise, a tolerance, a gradient that is another one."""

import math

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.analysis import (
    convergence,
    fit_order,
    gradient_convergence,
    grid_convergence,
    time_convergence,
    tolerance_convergence,
)
from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, Verdict

Y0 = torch.ones(1, dtype=torch.float64)
H = 2.0 ** -np.arange(2, 9)


def swing(t, y):
    return 2 * y * torch.cos(t)


def swing_exact(t):
    return torch.tensor([math.exp(2 * math.sin(t))], dtype=torch.float64)


def halvings(coarsest, levels):
    return [coarsest / 2**k for k in range(levels)]


def survives(result, folder):
    """Both file formats, and units and names on everything."""
    for name, variable in result.dataset.variables.items():
        assert variable.attrs["units"], name
        assert variable.attrs["long_name"], name
    for again in (
        AnalysisResult.from_netcdf(result.to_netcdf(folder / "study.nc")),
        AnalysisResult.from_zarr(result.to_zarr(folder / "study.zarr")),
    ):
        assert (again.status, again.reason, again.schema) == (result.status, result.reason, result.schema)
        again.plot("dark")


# ------------------------------------------------------------------------------------------------- intervals


@pytest.mark.parametrize(
    ("law", "levels", "noise"),
    [(lambda h: h**2, 7, 0.1), pytest.param(lambda h: h**2 * (1 + 0.5 * h), 9, 0.03, marks=pytest.mark.slow)],
)
def test_the_interval_covers_the_truth_as_often_as_it_says(law, levels, noise):
    """Nominal 95 %; of the chosen law alone, by Student's t, it was 80 %."""
    generator, h = np.random.default_rng(5), 2.0 ** -np.arange(2, 2 + levels)
    fits = [fit_order(h, law(h) * np.exp(noise * generator.standard_normal(levels))) for _ in range(60)]
    assert 0.90 <= np.mean([fit.order_lo <= 2 <= fit.order_hi for fit in fits]) <= 0.99


def test_the_profile_of_the_pure_law_is_the_interval_of_student():
    """Three levels leave one candidate, whose logarithm is linear: both are the same, exactly."""
    fit = fit_order(H[:3], H[:3] ** 2 * np.array([1.0, 1.1, 0.95]))
    assert fit.order_lo == pytest.approx(fit.linear_lo, abs=1e-4)
    assert fit.order_hi == pytest.approx(fit.linear_hi, abs=1e-4)


def test_noise_of_the_order_widens_the_interval_in_quadrature():
    plain = fit_order(H, H**2, expected=2)
    noisy = fit_order(H, H**2, expected=2, order_noise=0.04)
    assert noisy.order_hi - noisy.order == pytest.approx(1.959964 * 0.04, rel=1e-3)
    assert plain.status is noisy.status is Verdict.PASS


# ---------------------------------------------------------------------------------- stiff problems: Prothero-Robinson

R3, R6, R15 = math.sqrt(3), math.sqrt(6), math.sqrt(15)
G = 1 - 1 / math.sqrt(2)
IMPLICIT = {  # A, b, order, stage order: Hairer and Wanner II, section IV.5; SDIRK: Alexander 1977
    "Gauss 2": ([[1 / 4, 1 / 4 - R3 / 6], [1 / 4 + R3 / 6, 1 / 4]], [1 / 2, 1 / 2], 4, 2),
    "Radau IIA 2": ([[5 / 12, -1 / 12], [3 / 4, 1 / 4]], [3 / 4, 1 / 4], 3, 2),
    "Radau IIA 3": (
        [
            [(88 - 7 * R6) / 360, (296 - 169 * R6) / 1800, (-2 + 3 * R6) / 225],
            [(296 + 169 * R6) / 1800, (88 + 7 * R6) / 360, (-2 - 3 * R6) / 225],
            [(16 - R6) / 36, (16 + R6) / 36, 1 / 9],
        ],
        [(16 - R6) / 36, (16 + R6) / 36, 1 / 9],
        5,
        3,
    ),
    "SDIRK 2": ([[G, 0], [1 - G, G]], [1 - G, G], 2, 1),
}


def prothero_robinson(name, rate):
    """y' = -rate (y - phi) + phi', y(0) = phi(0), so that y = phi = sin; by linear algebra in the stages."""
    A, b, _, _ = IMPLICIT[name]
    A, b = np.array(A), np.array(b)
    c = A.sum(1)

    def error(h):
        t, y = 0.5, math.sin(0.5)
        for _ in range(round(2 / h)):
            s = t + c * h
            # k = -rate (y + h A k - phi) + phi'
            k = np.linalg.solve(np.eye(len(c)) + rate * h * A, -rate * (y - np.sin(s)) + np.cos(s))
            y, t = y + h * b @ k, t + h
        return abs(y - math.sin(t))

    return error


@pytest.mark.parametrize("name", IMPLICIT)
def test_a_stiff_problem_reduces_the_order_and_is_no_failure(name):
    _, _, order, stage = IMPLICIT[name]
    ladder = halvings(0.4, 6)
    stiff = convergence(prothero_robinson(name, 1e6), ladder, expected=order, stage_order=stage, stiffness=1e6)
    assert stiff.status is Verdict.ORDER_REDUCTION, stiff.reason
    assert stage - 0.15 < float(stiff["order"]) < order - 0.15
    assert "stage order" in stiff.reason
    easy = convergence(prothero_robinson(name, 1.0), ladder, expected=order, stage_order=stage, stiffness=1.0)
    assert easy.status is Verdict.PASS, easy.reason


def test_a_low_order_without_stiffness_is_a_failure():
    options = {"expected": 3, "stage_order": 1}
    assert convergence(lambda h: h**2, halvings(0.4, 6), **options, stiffness=1e6).status is Verdict.ORDER_REDUCTION
    assert convergence(lambda h: h**2, halvings(0.4, 6), **options, stiffness=1.0).status is Verdict.FAIL
    below = convergence(lambda h: h**0.5, halvings(0.4, 6), **options, stiffness=1e6)
    assert below.status is Verdict.FAIL  # not even the stage order


# ------------------------------------------------------------------------------------------------- references


def test_a_reference_by_another_method_finds_what_the_same_one_shares():
    """A method that converges, to the wrong answer, agrees with itself."""
    result = time_convergence(
        swing, Y0, t_span=(0, 2), method="heun", dts=halvings(0.2, 4), reference_method="dop853", expected=2
    )
    assert result.status is Verdict.PASS, result.reason
    assert "reference by dop853" in result.reason
    assert int(result.dataset.attrs["nfev"]) > 0
    truth = time_convergence(swing, Y0, t_span=(0, 2), method="heun", dts=halvings(0.2, 4), exact=swing_exact)
    assert np.allclose(result["error"], truth["error"], rtol=1e-6)


def test_two_references_are_one_too_many():
    with pytest.raises(OptionError, match="two references"):
        time_convergence(
            swing, Y0, t_span=(0, 2), method="heun", dts=[0.2, 0.1], exact=swing_exact, reference_method="rk4"
        )


# -------------------------------------------------------------------------------------------- manufactured solutions


def reaction(points):
    equation = fs.FieldEquation(
        "du/dt = diffusion(D, u) + u - u**3",
        grid=fs.Grid(points, extent=1.0),
        boundary={"x-": fs.Dirichlet(0), "x+": fs.Neumann(0)},
        parameters={"D": "0.1*(1 + x)"},
    )
    return equation.manufactured({"u": "exp(-t)*sin(3*x) + 0.5"})


def test_a_manufactured_problem_knows_its_own_solution(tmp_path):
    result = grid_convergence(reaction, [8, 12, 16, 24, 32, 48], t_span=(0, 0.3))
    assert result.status is Verdict.PASS, result.reason
    survives(result, tmp_path)


def test_the_source_of_the_heat_equation_agrees_with_a_published_formula():
    """MASA's heateq_1d_unsteady_const: T = cos(Ax x + At t) cos(Dt t), Q = rho cp T_t - k T_xx."""
    k, rho, cp, Ax, At, Dt = 1.38, 2.0, 0.7, 2 * math.pi, 1.2, 0.9
    grid = fs.Grid(24, extent=1.0)
    heat = fs.FieldEquation(
        "dT/dt = k/(rho*cp)*laplacian(T)",
        grid=grid,
        boundary=fs.Periodic(),
        parameters={"k": k, "rho": rho, "cp": cp},
    )
    made = heat.manufactured({"T": f"cos({Ax!r}*x + {At!r}*t)*cos({Dt!r}*t)"})
    (x,), t = grid.coordinates(), 0.37
    published = -rho * cp * (
        At * torch.sin(Ax * x + At * t) * math.cos(Dt * t) + Dt * torch.cos(Ax * x + At * t) * math.sin(Dt * t)
    ) + k * Ax**2 * torch.cos(Ax * x + At * t) * math.cos(Dt * t)
    source = made.on_grid(made.forcing["T"], t)[0]
    assert torch.allclose(rho * cp * source, published, rtol=1e-12, atol=1e-12)
    assert torch.allclose(made.exact(t)["T"], torch.cos(Ax * x + At * t) * math.cos(Dt * t), rtol=1e-13)


@pytest.mark.parametrize(
    ("make", "options", "sentence"),
    [
        (reaction, {"exact": lambda t, x: {"u": x}}, "knows its solution"),
        (lambda n: reaction(n).equation, {}, "no exact solution"),
        (lambda n: n, {}, "must return a FieldEquation"),
    ],
)
def test_one_exact_solution_is_needed_and_no_second(make, options, sentence):
    with pytest.raises(OptionError, match=sentence):
        grid_convergence(make, [8, 12], t_span=(0, 0.1), **options)


# --------------------------------------------------------------------------------------------------- gradients


class Decay(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.rate = torch.nn.Parameter(torch.tensor(0.7, dtype=torch.float64))

    def forward(self, t, y):
        return -self.rate * y * torch.cos(t)


DECAY_GRADIENT = -math.sin(2) * math.exp(-0.7 * math.sin(2))
"""d/d rate of y(2) = exp(-rate sin 2)."""


@pytest.mark.parametrize("mode", ["direct", "checkpointed"])
@pytest.mark.parametrize("method", ["heun", "rk4"])
def test_a_discrete_adjoint_has_the_order_of_its_method(method, mode):
    result = gradient_convergence(
        Decay(),
        Y0,
        t_span=(0, 2),
        method=method,
        dts=halvings(0.25, 5),
        loss=lambda y: y.sum(),
        gradient=mode,
        wrt="parameters",
        exact=torch.tensor([DECAY_GRADIENT], dtype=torch.float64),
    )
    assert result.status is Verdict.PASS, result.reason
    assert result.dataset.attrs["gradient"] == mode


@pytest.mark.parametrize("mode", ["backsolve", "quadrature"])
def test_a_continuous_adjoint_has_an_order_of_its_own_that_is_measured(mode):
    result = gradient_convergence(
        Decay(),
        Y0,
        t_span=(0, 2),
        method="heun",
        dts=halvings(0.1, 5),
        loss=lambda y: y.sum(),
        gradient=mode,
        wrt="parameters",
        exact=torch.tensor([DECAY_GRADIENT], dtype=torch.float64),
    )
    assert math.isnan(float(result["expected"]))
    assert float(result["order"]) == pytest.approx(2, abs=0.3), result.reason


def test_a_gradient_without_a_formula_is_compared_with_finer_steps():
    result = gradient_convergence(
        lambda t, y: -(y**3) + torch.cos(t), Y0, t_span=(0, 1), method="heun", dts=halvings(0.25, 5), loss=torch.sum
    )
    assert result.status is Verdict.PASS, result.reason
    assert "gradient by the same method" in result.reason


@pytest.mark.parametrize(
    ("f", "options", "sentence"),
    [
        (swing, {"wrt": "weights"}, "'state' or 'parameters'"),
        (swing, {"wrt": "parameters"}, "no parameters"),
        (swing, {"loss": lambda y: y}, None),
        (swing, {"loss": lambda y: 1.0}, "one number that depends"),
    ],
)
def test_bad_gradient_studies_are_refused(f, options, sentence):
    settings = {"t_span": (0, 1), "method": "heun", "dts": [0.25, 0.125, 0.0625], "loss": torch.sum, **options}
    if sentence is None:
        gradient_convergence(f, Y0, **settings)  # one entry is a scalar too
        return
    with pytest.raises(OptionError, match=sentence):
        gradient_convergence(f, Y0, **settings)


# -------------------------------------------------------------------------------------------------- tolerances


@pytest.mark.parametrize("method", ["bosh3", "tsit5"])
def test_the_error_is_proportional_to_the_tolerance(method, tmp_path):
    result = tolerance_convergence(
        swing,
        Y0,
        t_span=(0, 10),
        method=method,
        rtols=[10.0 ** (-3 - k / 3) for k in range(16 if method == "bosh3" else 22)],
        atol_ratio=1.0,
        exact=swing_exact,
    )
    assert float(result["expected"]) == 1
    assert result.status is Verdict.PASS, result.reason
    assert 0.01 < float(result["ratio"].median()) < 100
    if method == "tsit5":
        survives(result, tmp_path)


def test_a_method_without_an_estimate_cannot_follow_a_tolerance():
    with pytest.raises(OptionError, match="no error estimate"):
        tolerance_convergence(swing, Y0, t_span=(0, 1), method="rk4", rtols=[1e-3, 1e-4], atol_ratio=1.0)
