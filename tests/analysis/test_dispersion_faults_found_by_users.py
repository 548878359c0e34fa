"""Faults that users found in the analysis of uniform states: what was wrong stays mended."""

import math

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.analysis import bifurcation, continuation, diffusion_ratio, dispersion, spreading_speed
from fieldsolver.errors import OptionError, StateError
from fieldsolver.results import AnalysisResult, Verdict

BRUSSELATOR = "dX/dt = laplacian(X) + A - (B+1)*X + X**2*Y; dY/dt = 8*laplacian(Y) + B*X - X**2*Y"
LORENZ = "dx/dt = s*(y-x); dy/dt = x*(r-z) - y; dz/dt = x*y - b*z"


def declare(text, **more):
    return fs.FieldEquation(text, **{"grid": fs.Grid(64, extent=64.0), "boundary": fs.Periodic(), **more})


class Called(torch.nn.Module):
    """A function as a module, with a weight."""

    def __init__(self, function, dtype=torch.float64):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1, dtype=dtype))
        self._function = function

    def forward(self, u):
        return self._function(self.weight * u)


# ------------------------------------------------------------------------------------- speeds: every branch, bounded


def test_the_fastest_front_of_all_branches_counts():
    equation = declare("du/dt = 0.01*laplacian(u) + 4*u - u**2; dv/dt = 10*laplacian(v) + v - v**2")
    result = spreading_speed(equation, {"u": 0.0, "v": 0.0})
    assert result.status is Verdict.PASS
    assert result["speed"].item() == pytest.approx(2 * math.sqrt(10), rel=1e-12)


def test_a_component_that_drives_another_without_an_answer_is_inconclusive():
    """Holzer and Scheel's anomalous spreading: the speed of v alone is no bound."""
    equation = declare("du/dt = 0.5*laplacian(u) + 4*u - u**2; dv/dt = 10*laplacian(v) + v - v**2 + u")
    result = spreading_speed(equation, {"u": 0.0, "v": 0.0})
    assert result.status is Verdict.INCONCLUSIVE
    q = math.sqrt(3 / 9.5)  # where 0.5 q + 4/q = 10 q + 1/q
    assert result["bound"].item() == pytest.approx(10 * q + 1 / q, rel=1e-6)
    assert result["speed"].item() == pytest.approx(2 * math.sqrt(10), rel=1e-9)


@pytest.mark.parametrize("c", [0.0, 2.0, 2.5, 3.0, -3.0])
def test_an_advection_carries_the_front(c):
    result = spreading_speed(declare("du/dt = laplacian(u) + u - u**2 + c*d_dx(u)", parameters={"c": c}), {"u": 0.0})
    assert result.status is Verdict.PASS
    assert result["speed"].item() == pytest.approx(2 - c, abs=1e-12)


@pytest.mark.parametrize("a", [0.5, 1.0, 2.0, -2.0])
def test_the_complex_ginzburg_landau_front_has_its_closed_form(a):
    equation = declare(f"dA/dt = A + (1+({a}j))*laplacian(A) - abs(A)**2*A", complex_fields=("A",))
    result = spreading_speed(equation, {"A": 0.0})
    assert result.status is Verdict.PASS
    assert result["speed"].item() == pytest.approx(2 * math.sqrt(1 + a * a), rel=1e-12)


@pytest.mark.parametrize("c", [0.3, -0.3, 0.1])
def test_a_front_with_a_third_derivative(c):
    """Its growth along the ray x = v t, by the Fourier integral on a shifted contour, vanishes at the speed."""
    equation = declare(f"du/dt = laplacian(u) + u - u**2 + ({c})*d3_dx3(u)")
    result = spreading_speed(equation, {"u": 0.0})
    assert result.status is Verdict.PASS
    v, decay = result["speed"].item(), result["decay"].item()
    k = np.linspace(-8.0, 8.0, 10001)
    z = k + 0.98j * decay
    offset = np.linspace(0.0, 10.0, 41)  # over several waves of the edge, whose decay is taken off

    def size(speed, t):
        terms = np.exp(t * (1 - z**2 - 1j * c * z**3 + 1j * z * speed))
        shapes = np.exp(np.multiply.outer(offset, 1j * z + decay))
        return np.log(np.abs(shapes @ terms).max() * (k[1] - k[0]))

    growth = (size(v, 160.0) - size(v, 80.0)) / 80.0
    assert growth == pytest.approx(-math.log(2) / 160, abs=4e-3)  # t^(-1/2) beside a growth of zero
    assert (size(v - 0.3, 160.0) - size(v - 0.3, 80.0)) / 80.0 > 0.1
    assert (size(v + 0.3, 160.0) - size(v + 0.3, 80.0)) / 80.0 < -0.1


def test_a_graph_has_no_axis():
    edges = [(i, (i + 1) % 12) for i in range(12)]
    equation = fs.FieldEquation("du/dt = laplacian(u) + u - u**2", grid=fs.Graph(edges, vertices=12))
    result = spreading_speed(equation, {"u": 0.0})
    assert result.status is Verdict.NOT_APPLICABLE
    assert "graph" in result.reason


@pytest.mark.parametrize("axis", [True, 1.0, 2])
def test_an_axis_is_its_number(axis):
    plane = declare("du/dt = laplacian(u) + u - u**2", grid=fs.Grid((8, 8), extent=(9.0, 9.0)))
    with pytest.raises(OptionError, match=r"axis is one of 0 \.\. 1"):
        spreading_speed(plane, {"u": 0.0}, axis=axis)


def test_fronts_of_a_fractional_laplacian_accelerate():
    equation = declare("du/dt = fractional_laplacian(0.75, u) + u - u**2", scheme=fs.Spectral())
    assert spreading_speed(equation, {"u": 0.0}).status is Verdict.NOT_APPLICABLE


# --------------------------------------------------------------------------------------- walls that hold the fields


@pytest.mark.parametrize("wall", [fs.Dirichlet(0), fs.Dirichlet(1), fs.Neumann(1), fs.Robin(1.0, 1.0)])
def test_walls_that_hold_a_field_let_no_uniform_state_be(wall):
    heat = declare("du/dt = laplacian(u) + p*u - u**3", boundary=wall, parameters={"p": 0.5})
    assert bifurcation(heat, {"u": 0.0}, "p", kind="branch").status is Verdict.NOT_APPLICABLE
    brusselator = declare(BRUSSELATOR, boundary=wall, parameters={"A": 1.0, "B": 1.8})
    for result in (
        bifurcation(brusselator, {"X": 1.0, "Y": 1.8}, "B"),
        continuation(brusselator, {"X": 1.0, "Y": 1.8}, "B", bounds=(1.0, 3.0)),
    ):
        assert result.status is Verdict.NOT_APPLICABLE
        assert type(wall).__name__ in result.reason


@pytest.mark.parametrize("wall", [fs.Neumann(0), fs.Periodic()])
def test_walls_that_let_uniform_states_be(wall):
    result = bifurcation(
        declare(BRUSSELATOR, boundary=wall, parameters={"A": 1.0, "B": 1.8}), {"X": 1.0, "Y": 1.8}, "B"
    )
    assert result["value"].item() == pytest.approx(2.0, abs=1e-12)


def test_the_critical_value_is_said_to_be_of_an_unbounded_medium():
    heat = declare("du/dt = laplacian(u) + p*u - u**3", boundary=fs.Dirichlet(0), parameters={"p": 0.5})
    assert "in an unbounded medium" in dispersion(heat, {"u": 0.0}, critical="p").reason


# ------------------------------------------------------------------------------------------ points that are not simple


@pytest.mark.parametrize(
    ("f", "start", "p", "bounds", "at"),
    [
        (lambda u, p: p * u - u**3, [math.sqrt(0.5)], 0.5, (-1.0, 1.0), 0.0),
        (
            fs.FieldEquation(LORENZ, parameters={"s": 10.0, "b": 8 / 3, "r": 2.0}),
            {"x": 1.6, "y": 1.6, "z": 1.0},
            None,
            (0.5, 3.0),
            1.0,
        ),
    ],
)
def test_a_pitchfork_met_along_its_arms_is_no_fold(f, start, p, bounds, at):
    result = continuation(f, start, "r" if p is None else "p", bounds=bounds, value=p)
    assert result.status is Verdict.PASS
    assert result["kind"].values.tolist() == ["branch"]
    assert result["p_event"].values == pytest.approx([at], abs=1e-10)
    assert result["p_event_error"].values.max() < 1e-10
    assert result["criticality"].values.tolist() == ["supercritical"]


def test_folds_stay_folds():
    result = continuation(lambda u, p: p + u - u**3, [-1.3], "p", bounds=(-1.0, 1.0), value=-0.9)
    assert result["kind"].values.tolist() == ["fold", "fold"]


def test_an_imperfect_pitchfork_has_no_branch_point():
    result = bifurcation(lambda u, p: 0.1 + p * u - u**3, [0.1], "p", kind="branch", value=0.5)
    assert result.status is Verdict.NOT_FOUND


def test_a_pitchfork_asked_for_as_a_fold_is_degenerate():
    result = bifurcation(lambda u, p: p * u - u**3, [0.7], "p", kind="fold", value=0.5)
    assert result.status is Verdict.DEGENERATE
    assert "no bound" in result.reason
    assert "e+2" not in result.reason


def test_two_pitchforks_at_once_are_inconclusive():
    def pair(u, p):
        return torch.stack([p * u[0] - u[0] ** 3, p * u[1] - u[1] ** 3])

    result = continuation(pair, [0.0, 0.0], "p", bounds=(-1.0, 1.0), value=-0.5)
    assert result.status is Verdict.INCONCLUSIVE
    assert "no simple point" in result.reason
    assert bifurcation(pair, [0.0, 0.0], "p", kind="fold", value=-0.5).status is not Verdict.PASS


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_modules_with_weights_bifurcate(dtype):
    """p - u + 3 tanh(u) folds where 3 (1 - tanh^2) = 1."""
    equation = fs.FieldEquation(
        "du/dt = p - u + 3*f(u)", modules={"f": Called(torch.tanh, dtype)}, parameters={"p": 1.0}
    )
    t = math.sqrt(2 / 3)
    found = bifurcation(equation, {"u": -1.0}, "p", kind="fold")
    assert abs(found["value"].item()) == pytest.approx(3 * t - math.atanh(t), abs=1e-12)
    assert continuation(equation, {"u": 3.0}, "p", bounds=(-3.0, 3.0))["kind"].values.tolist() == ["fold"] * 2


# -------------------------------------------------------------------------------------------------------------- kinks


@pytest.mark.parametrize("function", [torch.relu, torch.abs, torch.nn.functional.leaky_relu])
def test_a_module_with_a_kink_has_no_linearisation_there(function):
    equation = declare("du/dt = laplacian(u) - u/2 + f(u)", modules={"f": Called(function)})
    result = dispersion(equation, {"u": 0.0})
    assert result.status is Verdict.NOT_APPLICABLE
    assert "slope jumps" in result.reason


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("function", [torch.tanh, torch.nn.functional.gelu, torch.sin])
def test_a_smooth_module_has_one(function, dtype):
    equation = declare("du/dt = laplacian(u) - u + f(u)/2", modules={"f": Called(function, dtype)})
    assert dispersion(equation, {"u": 0.0}).status is Verdict.PASS


@pytest.mark.parametrize("term", ["sqrt(u)", "u**0.5", "min(u, 2*u)", "where(u > 0, 2*u, u)"])
def test_terms_without_a_finite_derivative_are_named(term):
    result = dispersion(declare(f"du/dt = laplacian(u) - {term}"), {"u": 0.0})
    assert result.status is Verdict.NOT_APPLICABLE
    assert term.split(",")[0].removeprefix("where(") in result.reason
    pair = declare(f"du/dt = laplacian(u) - {term}; dv/dt = laplacian(v) - v")
    assert diffusion_ratio(pair, {"u": 0.0, "v": 0.0}).status is Verdict.NOT_APPLICABLE


def test_a_kink_does_not_bifurcate():
    equation = fs.FieldEquation("du/dt = p*u - abs(u)", parameters={"p": 0.5})
    assert bifurcation(equation, {"u": 0.0}, "p", kind="fold").status is not Verdict.PASS


# -------------------------------------------------------------------------------------------------------- thresholds


@pytest.mark.parametrize(
    ("text", "state", "m", "critical", "side"),
    [
        ("m - 0.5 - u**2", 0.7, 1.0, 0.5, "below"),
        ("-m - 0.5 - u**2", 1.2, -2.0, -0.5, "above"),
        ("m + u - u**3", -1.0, 0.1, 2 / math.sqrt(27), "above"),  # beyond it Newton's method finds another state
    ],
)
def test_a_steady_state_ends_in_a_fold(text, state, m, critical, side):
    result = dispersion(declare(f"du/dt = laplacian(u) + {text}", parameters={"m": m}), {"u": state}, critical="m")
    assert result.status is Verdict.PASS
    assert result["critical_value"].item() == pytest.approx(critical, abs=1e-10)
    assert result["critical_type"].item() == "fold"
    assert f"does not exist {side}" in result.reason


@pytest.mark.parametrize("text", ["m*u - u**3", "m*u - u**2"])
def test_an_onset_that_is_no_fold_stays_one(text):
    result = dispersion(declare(f"du/dt = laplacian(u) + {text}", parameters={"m": -0.1}), {"u": 0.0}, critical="m")
    assert result["critical_value"].item() == pytest.approx(0.0, abs=1e-12)
    assert result["critical_type"].item() == "uniform"


# ------------------------------------------------------------------------------------------------- words and pictures


def test_half_the_nyquist_wave_number_is_halved():
    result = dispersion(declare("du/dt = laplacian(u) + u - u**3", grid=fs.Grid(16, extent=30.0)), {"u": 0.0})
    nyquist = math.pi * 16 / 30
    assert f"lies above {nyquist / 2:.4g}, half the Nyquist wave number {nyquist:.4g}" in result.reason


def test_a_continuation_that_finds_nothing_is_a_branch():
    result = continuation(lambda u, p: p + u**2 + 1, [0.5], "p", bounds=(-0.5, 1.0), value=0.5)
    assert (result.status, result.schema) == (Verdict.NOT_FOUND, "branch/1")


def test_one_reason_for_both_ends_is_said_once():
    result = continuation(lambda u, p: p - u, [0.5], "p", bounds=(-1.0, 1.0), value=0.5, most=5)
    assert result.status is Verdict.INCONCLUSIVE
    assert result.reason.count("number of points") == 1
    assert "most=" in result.reason


def test_lists_and_arrays_are_states():
    brusselator = declare(BRUSSELATOR, parameters={"A": 1.0, "B": 1.8})
    for state in ([1.0, 1.5], (1.0, 1.5), np.array([1.0, 1.5])):
        assert bifurcation(brusselator, state, "B")["value"].item() == pytest.approx(2.0)
    assert dispersion(declare("du/dt = laplacian(u) + u - u**3"), [0.0]).status is Verdict.PASS
    with pytest.raises(StateError, match="list of real numbers"):
        dispersion(declare("du/dt = laplacian(u) - u"), ["a"])


def test_every_steady_state_has_its_panel():
    result = dispersion(declare("du/dt = laplacian(u) + u*(1-u**2)*(4-u**2)"))
    assert result.dataset.sizes["steady_state"] == 5
    assert sum(bool(axes.get_xlabel()) for axes in result.plot("light").axes) == 5


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_sentence_fits_its_figure(theme):
    heat = declare("du/dt = laplacian(u) + p*u - u**3", boundary=fs.Dirichlet(0), parameters={"p": 0.5})
    for result in (
        bifurcation(heat, {"u": 0.0}, "p"),
        continuation(heat, {"u": 0.0}, "p", bounds=(0.0, 1.0)),
        dispersion(declare("du/dt = laplacian(u) - sqrt(u)"), {"u": 0.0}),
        spreading_speed(declare("du/dt = laplacian(u) - u"), {"u": 0.0}),
    ):
        figure = result.plot(theme)
        figure.canvas.draw()
        box = figure.texts[0].get_window_extent()
        assert 0 <= box.x0 < box.x1 <= figure.bbox.width
        assert 0 <= box.y0 < box.y1 <= figure.bbox.height


def test_a_bounded_speed_survives_files(tmp_path):
    result = spreading_speed(declare("du/dt = laplacian(u) + u - u**2"), {"u": 0.0})
    back = AnalysisResult.from_netcdf(result.to_netcdf(tmp_path / "a.nc"))
    assert back["bound"].item() == pytest.approx(2.0)
    assert {"units", "long_name"} <= set(back["bound"].attrs)


def test_a_pattern_on_a_state_that_grows_by_itself_is_said_to_be_one():
    """Turing's pattern needs a state that is stable against uniform changes; this one is not."""
    equation = fs.FieldEquation(
        "du/dt = -laplacian(u) - biharmonic(u) + r*u",
        grid=fs.Grid(64, extent=60.0),
        boundary=fs.Periodic(),
        parameters={"r": 0.05},
    )
    assert "the uniform state itself grows, too" in dispersion(equation, {"u": 0.0}).reason
    at_rest = fs.FieldEquation(
        "du/dt = -laplacian(u) - biharmonic(u) + r*u",
        grid=fs.Grid(64, extent=60.0),
        boundary=fs.Periodic(),
        parameters={"r": -0.05},
    )
    assert "itself grows" not in dispersion(at_rest, {"u": 0.0}).reason
