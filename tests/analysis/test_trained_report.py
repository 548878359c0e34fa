"""The report of a trained layer: exact answers for linear fields, and layers with one fault each."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import fieldsolver as fs
from fieldsolver import analysis
from fieldsolver.analysis.subverdicts import Subverdict, worst
from fieldsolver.analysis.trained_report import trained_report
from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, Verdict

T = 2.0


def linear_layer(matrix: list[list[float]], **options) -> fs.nn.FieldLayer:
    """dz/dt = A z with A as the weight of a module, as if it had been learned."""
    net = nn.Linear(len(matrix), len(matrix), bias=False).double()
    with torch.no_grad():
        net.weight.copy_(torch.tensor(matrix, dtype=torch.float64))
    equation = fs.FieldEquation("dz/dt = net(z)", components={"z": len(matrix)}, modules={"net": net})
    return fs.nn.FieldLayer(equation, **{"duration": T, "dt": 0.1, "check": "off", **options})


def states(count: int = 5, size: int = 2) -> torch.Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def verdict(result: AnalysisResult, name: str) -> str:
    return str(result["check_verdict"].values[list(result["check"].values).index(name)])


def value(result: AnalysisResult, name: str) -> float:
    return float(result["check_value"].values[list(result["check"].values).index(name)])


def threshold(result: AnalysisResult, name: str) -> float:
    return float(result["check_threshold"].values[list(result["check"].values).index(name)])


@pytest.fixture(scope="module")
def calm() -> AnalysisResult:
    return trained_report(linear_layer([[-1.0, 0.0], [0.0, -3.0]]), states())


def test_numbers_of_a_linear_field_are_those_of_its_matrix(calm: AnalysisResult):
    assert calm.status is Verdict.PASS, calm.reason
    assert np.sort(calm["eig_re"].values[0]) == pytest.approx([-3.0, -1.0], abs=1e-10)
    assert calm["time_slowest"].values == pytest.approx(1.0)
    assert calm["rate_fastest"].values == pytest.approx(3.0)
    time = calm["time"].values
    assert calm["gain_largest"].values[:, 0] == pytest.approx(np.exp(-time), rel=1e-4)
    assert calm["gain_smallest"].values[:, 0] == pytest.approx(np.exp(-3 * time), rel=2e-3)
    mean_square = (np.exp(-2 * time) + np.exp(-6 * time)) / 2
    assert calm["gain_rms"].values[:, 0] == pytest.approx(np.sqrt(mean_square), rel=1e-3)
    assert float(calm["dt_limit"]) == pytest.approx(2.7852935634053 / 3, rel=1e-9)  # rk4 on its fastest mode
    assert calm["accepted"].values == pytest.approx(20)


def test_gradients_run_back_as_the_transpose(calm: AnalysisResult):
    layer = linear_layer([[-1.0, 2.0], [0.0, -3.0]])
    found = trained_report(layer, states(), loss=lambda out: out[:, 0])
    factor = torch.linalg.matrix_exp(T * torch.tensor([[-1.0, 2.0], [0.0, -3.0]], dtype=torch.float64))
    assert found["adjoint_norm"].values[0] == pytest.approx(float(factor[0].norm()), rel=1e-4)
    assert found["adjoint_norm"].values[-1] == pytest.approx(1.0)
    assert found["adjoint_norm"].shape == found["time"].shape + (5,)
    assert calm["adjoint_norm"].values[0].max() <= math.exp(-T) * 1.001


def test_an_unstable_step_fails():
    fast = linear_layer([[-1.0, 0.0], [0.0, -40.0]], dt=0.1)
    result = trained_report(fast, states())
    assert verdict(result, "step stability") == "fail"
    assert threshold(result, "step stability") == pytest.approx(2.7852935634053 / 40, rel=1e-9)
    assert result.status is Verdict.FAIL


def test_a_model_of_its_steps_fails():
    coarse = linear_layer([[0.0, 4.0], [-4.0, 0.0]], dt=0.25, method="rk4")  # a quarter of this step would do
    result = trained_report(coarse, states())
    assert verdict(result, "steps do not matter") == "fail"
    assert "one of its steps" in result.reason
    assert threshold(result, "steps do not matter") > result["setting_error"].values[2]
    errors = result["setting_error"].values
    assert errors[0] > errors[1] > errors[2]
    tight = trained_report(linear_layer([[0.0, 4.0], [-4.0, 0.0]], dt=0.05), states(), beyond=1.0)
    assert verdict(tight, "steps do not matter") == "pass"


def test_exploding_and_vanishing_gradients_are_told():
    grows = trained_report(linear_layer([[4.0, 0.0], [0.0, -1.0]], dt=0.05), states(), beyond=1.0)
    assert verdict(grows, "gradient growth") == "fail"
    assert value(grows, "gradient growth") == pytest.approx(math.exp(4 * T), rel=1e-3)
    assert "gradients explode" in grows.reason
    shrinks = trained_report(linear_layer([[-4.0, 0.0], [0.0, -5.0]], dt=0.05), states())
    assert verdict(shrinks, "gradient growth") == "inconclusive"
    assert shrinks.status is Verdict.INCONCLUSIVE


def test_a_field_that_runs_away_later_fails():
    result = trained_report(linear_layer([[0.6, 0.0], [0.0, -1.0]]), states())
    assert verdict(result, "beyond the run") == "fail"
    assert "do not run it for longer" in result.reason
    near = trained_report(linear_layer([[0.6, 0.0], [0.0, -1.0]]), states(), beyond=2.0)
    assert verdict(near, "beyond the run") == "pass"


def test_rest_is_found_beyond_the_run():
    equation = fs.FieldEquation("dz/dt = 1 - z")
    layer = fs.nn.FieldLayer(equation, duration=1.0, rtol=1e-8, atol=1e-10)
    result = trained_report(layer, torch.zeros(3, 1), beyond=20.0)
    # speed = e^(-t)/(1 - e^(-t)) = 0.01 at t = log(101) = 4.6
    assert result["rest_time"].values == pytest.approx(math.log(101), abs=0.5)
    assert "0 of 3 samples are at rest at the end of the run, 3 within 20 durations" in str(
        result["check_reason"].values
    )


def test_a_field_that_stands_still_does_not_matter():
    result = trained_report(linear_layer([[-1e-5, 0.0], [0.0, -1e-5]]), states())
    assert verdict(result, "dynamics matter") == "fail"
    assert verdict(result, "time scales") == "fail"


def test_the_loss_says_whether_the_dynamics_earn_anything():
    layer = linear_layer([[-1.0, 0.0], [0.0, -1.0]])
    helps = trained_report(layer, states(16), loss=lambda out: out.square().sum(1))
    assert verdict(helps, "dynamics matter") == "pass"
    harms = trained_report(layer, states(16), loss=lambda out: -out.square().sum(1))
    assert verdict(harms, "dynamics matter") == "fail"


def test_dropout_is_switched_off_in_a_copy():
    net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 2))
    equation = fs.FieldEquation("dz/dt = net(z) - z", components={"z": 2}, modules={"net": net})
    layer = fs.nn.FieldLayer(equation, duration=1.0, dt=0.1)
    x = states().float()
    first, second = trained_report(layer, x), trained_report(layer, x)
    assert "dropout in training mode" in first.reason
    assert np.array_equal(first["gain_largest"].values, second["gain_largest"].values)
    assert layer.training
    assert net[2].training
    assert next(layer.parameters()).dtype is torch.float32
    assert "dropout" not in trained_report(layer.eval(), x).reason


def test_adaptive_layers_and_inputs_per_sample():
    equation = fs.FieldEquation("dv/dt = (I - v)/tau", parameters={"I": 0.0, "tau": 1.0})
    layer = fs.nn.FieldLayer(equation, duration=1.0, inputs=("I", "tau"), initial=0.0)
    tau = torch.tensor([[0.5], [2.0], [4.0]])
    result = trained_report(layer, {"I": torch.ones(3, 1), "tau": tau})
    assert verdict(result, "step stability") == "not applicable"
    assert result["time_slowest"].values == pytest.approx([0.5, 2.0, 4.0], rel=1e-6)
    assert result["gain_largest"].values[-1] == pytest.approx(np.exp(-1 / tau[:, 0].numpy()), rel=1e-3)
    assert result["setting"].values == pytest.approx([1e-4, 1e-4 / 8, 1e-4 / 64])


def test_a_steady_layer_is_asked_for_the_stability_of_its_rest():
    equation = fs.FieldEquation("dz/dt = x - z - z**3", parameters={"x": 0.0})
    layer = fs.nn.SteadyFieldLayer(equation, until=fs.SteadyState(max_time=100.0), inputs="x", initial=0.0)
    x = torch.tensor([[1.0], [2.0]])
    result = trained_report(layer, x)
    assert result.status is Verdict.PASS, result.reason
    rest = layer(x).detach().double().flatten()
    assert value(result, "rest is stable") == pytest.approx(float((-1 - 3 * rest**2).max()), rel=1e-3)
    assert verdict(result, "gradient growth") == "not applicable"
    never = fs.nn.SteadyFieldLayer(
        fs.FieldEquation("dz/dt = x + 1", parameters={"x": 0.0}),
        until=fs.SteadyState(max_time=1.0),
        inputs="x",
        initial=0.0,
    )
    lost = trained_report(never, x)
    assert lost.status is Verdict.FAIL
    assert "does not run" in lost.reason


def test_an_energy_that_should_fall_is_followed():
    grid = fs.Grid(32, extent=2 * math.pi)
    start = torch.sin(grid.coordinate(0)).expand(2, 1, 32)

    def layer(sign: float) -> fs.nn.FieldLayer:
        text = "du/dt = D*laplacian(u)"
        equation = fs.FieldEquation(text, grid=grid, boundary=fs.Periodic(), parameters={"D": sign})
        return fs.nn.FieldLayer(equation, duration=0.5, dt=0.01, check="off")

    assert verdict(trained_report(layer(1.0), start, density="u**2"), "energy falls") == "pass"
    assert verdict(trained_report(layer(-0.01), start, density="u**2"), "energy falls") == "fail"


@pytest.mark.parametrize("form", ["netcdf", "zarr"])
def test_round_trip(calm: AnalysisResult, tmp_path: Path, form: str):
    if form == "zarr":
        pytest.importorskip("zarr")
        again = AnalysisResult.from_zarr(calm.to_zarr(tmp_path / "t.zarr"))
    else:
        again = AnalysisResult.from_netcdf(calm.to_netcdf(tmp_path / "t.nc"))
    assert again.status is calm.status
    assert list(again["check"].values) == list(calm["check"].values)
    for name, data in again.dataset.variables.items():
        assert {"units", "long_name"} <= set(data.attrs), name


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_picture(calm: AnalysisResult, theme: str):
    figure = calm.plot(theme)
    assert [axes.get_title() for axes in figure.axes[:2]] == ["does it come to rest?", "eigenvalues at the end"]
    assert figure.axes[3].get_title() == "checks"


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: trained_report(nn.Linear(2, 2), states()), "looks at a FieldLayer"),
        (lambda: trained_report(lambda x: x, states()), "looks at a layer"),
        (lambda: trained_report(linear_layer([[-1.0]])), "needs what the layer is called with"),
        (lambda: trained_report(linear_layer([[-1.0]]), states(size=1), beyond=0.5), "beyond"),
        (lambda: trained_report(linear_layer([[-1.0]]), states(size=1), accuracy=0.0), "accuracy"),
        (lambda: trained_report(linear_layer([[-1.0]], duration=0.0), states(size=1)), "duration of 0"),
        (
            lambda: trained_report(
                linear_layer([[-1.0]], save_at=[1.0, 2.0]), states(size=1), loss=lambda out: out.sum()
            ),
            "save_at",
        ),
    ],
)
def test_options_are_checked(call, match):
    with pytest.raises(OptionError, match=match):
        call()


def test_the_worst_check_that_applies_counts():
    checks = [Subverdict(v.value, v, "") for v in (Verdict.NOT_APPLICABLE, Verdict.PASS, Verdict.UNRESOLVED)]
    assert worst(checks[:1]) is Verdict.NOT_APPLICABLE
    assert worst(checks[:2]) is Verdict.PASS
    assert worst(checks) is Verdict.UNRESOLVED
    assert worst([*checks, Subverdict("f", Verdict.FAIL, "")]) is Verdict.FAIL


def test_it_is_public():
    assert analysis.trained_report is trained_report
