"""Faults of `lyapunov` and `trained_report` that users found, each as a test of its own."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import fieldsolver as fs
from fieldsolver.analysis.lyapunov import lyapunov
from fieldsolver.analysis.trained_report import trained_report
from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, Verdict

ONE = torch.ones(1, dtype=torch.float64)


def oscillator(t, y):
    return torch.stack([y[1], -y[0]])


def check_of(result: AnalysisResult, name: str) -> str:
    return str(result["check_verdict"].values[list(result["check"].values).index(name)])


@pytest.mark.parametrize(
    ("method", "dt"), [("euler", 3.0), ("dop853", 5.0), ("euler", 0.9), ("euler", 1.0), ("euler", 2.0)]
)
def test_a_step_that_is_too_long_is_not_passed_with_a_wide_interval(method, dt):
    result = lyapunov(lambda t, y: -y, ONE, duration=100.0, dt=dt, method=method, members=4)
    assert result.status is Verdict.INCONCLUSIVE
    assert check_of(result, "step size") == "inconclusive"
    assert "take a smaller dt=" in result.reason
    low, high = float(result["lambda_lo"][0]), float(result["lambda_hi"][0])
    assert low <= -1.0 <= high or math.isinf(high)


def test_a_step_whose_half_agrees_with_it_by_chance_does_not_pass():
    dt = 4 - math.sqrt(8)  # |1 - dt| = (1 - dt/2)^2
    result = lyapunov(lambda t, y: -y, ONE, duration=100.0, dt=dt, method="euler", members=4)
    assert not result.status.holds


def test_a_step_that_is_short_enough_passes():
    result = lyapunov(lambda t, y: -y, ONE, duration=20.0, dt=0.05, method="euler", members=4)
    assert result.status is Verdict.PASS
    assert float(result["lambda_lo"][0]) <= -1.0 <= float(result["lambda_hi"][0])


@pytest.mark.parametrize("members", [None, 4])
def test_exponents_that_are_zero_but_for_rounding_are_told_to_be_zero(members):
    result = lyapunov(oscillator, torch.tensor([1.0, 0.0], dtype=torch.float64), duration=30.0, members=members)
    assert "2 exponents cannot be told from zero" in result.reason
    assert float(result["D_KY"]) == 2.0
    assert np.abs(result["lambda_hi"].values).max() < 1e-11


@pytest.mark.parametrize("rate", [0.3, 0.01, 1e-4])
def test_an_orbit_that_grows_is_not_chaotic_and_breaks_no_law_of_bounded_ones(rate):
    equation = fs.FieldEquation(f"dx/dt = {rate}*x")
    result = lyapunov(equation, {"x": 1.0}, duration=20.0, members=4)
    assert result.status is Verdict.INCONCLUSIVE
    assert "keeps growing" in result.reason
    assert "chaotic" not in result.reason
    assert check_of(result, "zero exponent") == "not applicable"
    assert float(result["lambda"][0]) == pytest.approx(rate, rel=1e-6)
    assert math.isnan(float(result["D_KY"]))


def test_a_steady_drift_is_not_periodic():
    result = lyapunov(lambda t, y: 0 * y + 1, ONE, duration=20.0, members=4)
    assert result.status is Verdict.INCONCLUSIVE
    assert "keeps growing" in result.reason


def test_a_decay_slower_than_the_run_breaks_no_law():
    result = lyapunov(lambda t, y: -0.01 * y, ONE, duration=20.0, members=4)
    assert result.status is Verdict.PASS
    assert check_of(result, "zero exponent") == "not applicable"
    assert float(result["lambda"][0]) == pytest.approx(-0.01)


def test_a_map_to_one_point_has_the_exponent_minus_infinity_quietly():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = lyapunov(lambda n, y: 0 * y + 1, 0.5 * ONE, discrete=True, duration=400)
    assert result.status is Verdict.PASS
    assert "superstable" in result.reason
    for name in ("lambda", "lambda_lo", "lambda_hi"):
        assert np.isneginf(result[name].values).all()
    assert float(result["trace_mean"]) == -math.inf
    assert float(result["D_KY"]) == 0.0
    result.plot("light")


def test_one_direction_that_vanishes_leaves_the_others_their_exponents():
    def step(n, y):
        return torch.stack([4 * y[0] * (1 - y[0]), 0 * y[1]])

    start = torch.tensor([0.3, 0.2], dtype=torch.float64)
    result = lyapunov(step, start, discrete=True, duration=400, members=16)
    assert result["lambda"].values[0] == pytest.approx(math.log(2), abs=0.02)
    assert result["lambda"].values[1] == -math.inf
    assert float(result["D_KY"]) == pytest.approx(1.0)
    assert "chaotic" in result.reason


def test_tangents_that_vanish_in_one_member_only_decide_nothing():
    result = lyapunov(lambda n, y: 4 * y * (1 - y), 0.5 * ONE, discrete=True, duration=400, transient=0.0)
    assert result.status is Verdict.INCONCLUSIVE
    assert "of the members only" in result.reason


def test_small_matrices_are_not_factored_by_many_threads():
    seen = []

    def step(n, y):
        seen.append(torch.get_num_threads())
        return 4 * y * (1 - y)

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        lyapunov(step, 0.3 * ONE, discrete=True, duration=40, transient=20, blocks=20, members=2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen[-1] == 1


def layer() -> fs.nn.FieldLayer:
    net = nn.Linear(2, 2, bias=False).double()
    with torch.no_grad():
        net.weight.copy_(torch.diag(torch.tensor([-1.0, -2.0])))
    equation = fs.FieldEquation("dz/dt = net(z)", components={"z": 2}, modules={"net": net})
    return fs.nn.FieldLayer(equation, duration=1.0, dt=0.1)


@pytest.mark.parametrize(
    ("loss", "match"),
    [
        (lambda out: out.detach().sum(), "without a gradient"),
        (lambda out: out.sum().item(), "returns a tensor"),
        (lambda out: out[:2, 0], "so 3 here; got 2"),
        (lambda out: out, "so 3 here; got 6"),
        (lambda out: torch.ones(3, dtype=torch.float64, requires_grad=True), "does not depend on the output"),
        (lambda out: out.sum().to(torch.complex128), "real numbers"),
    ],
    ids=["detached", "float", "short", "long", "constant", "complex"],
)
def test_a_loss_that_cannot_be_followed_back_is_refused(loss, match):
    with pytest.raises(OptionError, match=match):
        trained_report(layer(), torch.ones(3, 2), loss=loss)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_short_logarithmic_axis_has_ticks_that_differ(theme):
    figure = trained_report(layer(), torch.ones(3, 2), loss=lambda out: out.square().sum(1)).plot(theme)
    gains = figure.axes[2]
    low, high = gains.get_ylim()
    assert high / low < 10
    assert [label.get_text() for label in gains.get_yticklabels()] == ["0.2", "0.5", "1"]
    assert not gains.get_yticklabels(minor=True)


def test_a_fault_of_f_is_not_taken_for_a_missing_derivative():
    """Differences would be the answer to the wrong question."""

    def wrong(t, y):
        raise RuntimeError("a fault of the user's own")

    with pytest.raises(RuntimeError, match="user's own"):
        lyapunov(wrong, torch.ones(2, dtype=torch.float64), duration=5.0)
