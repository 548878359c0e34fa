"""`fieldsolver bench train`: every side makes the same training step, and the page says what it cost."""

from __future__ import annotations

import itertools

import pytest
import torch

from fieldsolver.experiments.benchmarks import (
    BenchSettings,
    Comparison,
    Measurement,
    Quantity,
    benchmark_result,
    machine_attributes,
    neural_ode,
    training_sides,
)
from fieldsolver.experiments.benchmarks.page import benchmark_page
from fieldsolver.experiments.benchmarks.timing import Times
from fieldsolver.results import Verdict

TORCHDIFFEQ = [case for case in neural_ode.CASES if case.adjoint is not None]
DIFFRAX = [case for case in neural_ode.CASES if case.adjoint is None]


def ticking() -> BenchSettings:
    """A clock that says one second a look: every run lasts one second."""
    ticks = itertools.count()
    return BenchSettings(repeats=5, clock=lambda: float(next(ticks)))


@pytest.fixture(scope="module")
def small() -> tuple[training_sides.TrainingTask, torch.Tensor]:
    task = neural_ode.mlp_task(samples=6, width=8)
    return task, training_sides.reference_gradient(task)


def test_the_task_is_the_same_every_time_and_disturbs_nobody() -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    tasks = neural_ode.mlp_task(), neural_ode.mlp_task()
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(tasks[0].y0, tasks[1].y0)
    for one, other in zip(*(task.network.parameters() for task in tasks), strict=True):
        assert torch.equal(one, other)
    assert tasks[0].y0.shape == (256, 2)
    assert [tuple(p.shape) for p in tasks[0].network.parameters()][::2] == [(64, 2), (64, 64), (2, 64)]
    assert tasks[0].y0.dtype == torch.float32


def test_the_reference_is_the_gradient_by_central_differences(
    small: tuple[training_sides.TrainingTask, torch.Tensor],
) -> None:
    task, reference = small
    tight = task.double()
    assert task.network[0].weight.dtype == torch.float32  # the copy was made double, not the network
    bias = tight.network[0].bias
    values = []
    for shift in (1e-5, -1e-5):
        with torch.no_grad():
            bias[0] += shift
            values.append(_loss(tight))
            bias[0] -= shift
    first_bias = tight.network[0].weight.numel()
    assert reference[first_bias].item() == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-6)


def _loss(task: training_sides.TrainingTask) -> float:
    f = training_sides.RightHandSide(task.network)
    return training_sides.loss(training_sides._solved(f, task, "dop853", "none", True).y[-1]).item()


@pytest.mark.parametrize(
    "case",
    [pytest.param(one, marks=pytest.mark.slow if "one step size" in one.name else ()) for one in TORCHDIFFEQ],
    ids=lambda case: case.name,
)
def test_both_sides_find_the_gradient_and_count_their_evaluations(
    case: neural_ode.Case, small: tuple[training_sides.TrainingTask, torch.Tensor]
) -> None:
    task, reference = small
    found = neural_ode.compared(case, task, reference, ticking())
    ours, other = found.ours, found.other
    assert (ours.name, other.name) == ("fieldsolver dopri5", "torchdiffeq dopri5")
    assert ours.error < 1e-4
    assert other.error < 1e-2
    assert other.evaluations == 2 + 6 * other.attempts  # of the forward pass alone
    if not case.own_steps:
        assert ours.evaluations == 2 + 6 * ours.attempts
    assert found.quantity is Quantity.SECONDS_PER_EVALUATION
    assert found.ratio == pytest.approx(ours.evaluations / other.evaluations)  # a second each
    assert found.bar == pytest.approx(1 / 0.7)


@pytest.mark.slow  # XLA compiles for some seconds
@pytest.mark.parametrize("case", DIFFRAX, ids=lambda case: case.name)
def test_diffrax_makes_the_same_step(
    case: neural_ode.Case, small: tuple[training_sides.TrainingTask, torch.Tensor]
) -> None:
    pytest.importorskip("diffrax")
    found = neural_ode.compared(case, *small, ticking())
    assert max(found.ours.error, found.other.error) < 1e-4
    assert found.other.evaluations == 1 + 6 * found.other.attempts or case.own_steps
    assert found.quantity is Quantity.SECONDS


@pytest.mark.parametrize("case", [TORCHDIFFEQ[0], DIFFRAX[0]], ids=lambda case: case.name)
def test_what_is_not_installed_is_named(
    case: neural_ode.Case,
    small: tuple[training_sides.TrainingTask, torch.Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(neural_ode, "is_installed", lambda name: False)
    found = neural_ode.compared(case, *small, ticking())
    assert found.verdict is Verdict.NOT_APPLICABLE
    assert found.other.missing in ("torchdiffeq is not installed", "diffrax is not installed")
    assert found.ours.seconds == 1.0


OURS = Measurement("fieldsolver dopri5", Times(9.0, (2e-3,) * 5), accepted=3, attempts=4, evaluations=20, error=1e-7)
OTHER = Measurement("torchdiffeq dopri5", Times(7.0, (3e-3,) * 5), accepted=3, attempts=3, evaluations=25, error=1e-4)


def test_the_time_per_evaluation_is_compared_and_shown() -> None:
    case = Comparison("a training step", Quantity.SECONDS_PER_EVALUATION, OURS, OTHER, bar=1.2)
    assert OURS.seconds_per_evaluation == pytest.approx(1e-4)
    assert case.ratio == pytest.approx(1.2)
    assert case.ratio_range == pytest.approx((1.2, 1.2))
    result = benchmark_result("train", "for a test", [case], machine_attributes(BenchSettings()))
    assert result["seconds_per_evaluation"].sel(side="other").item() == pytest.approx(1.2e-4)
    lines = [" ".join(line.split()) for line in benchmark_page(result).splitlines()]
    assert "case seconds [least .. most] warm-up us/f steps attempts f error" in lines
    assert "fieldsolver dopri5 0.002 [0.002 .. 0.002] 9 100.0 3 4 20 1.0e-07" in lines


def test_names_of_cases_are_different() -> None:
    names = [case.name for case in neural_ode.CASES]
    assert len(set(names)) == len(names)
