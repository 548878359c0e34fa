"""Checkpoints: their budget, their memory, and random numbers on recomputation."""

from __future__ import annotations

import gc
import weakref
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from fieldsolver.errors import OptionError
from fieldsolver.gradients import Checkpointed, solve_with_gradient
from fieldsolver.gradients.checkpoints import CheckpointRecorder
from fieldsolver.methods import METHODS, get_method
from fieldsolver.stepping import VectorField, integrate
from fieldsolver.stepping.random_numbers import RandomState

RK4 = get_method("rk4")


def decay(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
    return -p[0] * torch.sin(y)


def record(steps: int, budget: int | None) -> CheckpointRecorder:
    recorder = CheckpointRecorder(budget, RandomState.now(torch.device("cpu")))
    rate = torch.ones(1, dtype=torch.float64)
    with torch.no_grad():
        y0 = torch.ones(1, 1, dtype=torch.float64)
        integrate(VectorField(decay, (rate,)), METHODS["euler"], y0, 0.0, 1.0, dt=1.0 / steps, observers=(recorder,))
    return recorder


def longest_segment(recorder: CheckpointRecorder) -> int:
    rows = [*sorted(recorder.stored), len(recorder.rows)]
    return max(b - a for a, b in pairwise(rows))


@settings(max_examples=30)
@given(steps=st.integers(1, 400), budget=st.integers(1, 40))
def test_the_budget_is_never_exceeded_and_segments_stay_short(steps: int, budget: int) -> None:
    recorder = record(steps, budget)
    assert len(recorder.rows) == steps
    assert 0 in recorder.stored
    assert recorder.peak <= budget
    assert longest_segment(recorder) <= max(1, 2 * -(-steps // budget), steps if budget == 1 else 0)


@pytest.mark.parametrize("steps", [1, 10, 100, 1000, 3000])
def test_the_default_budget_grows_with_the_square_root(steps: int) -> None:
    recorder = record(steps, None)
    assert recorder.peak <= max(8, 2 * steps**0.5 + 2)
    assert longest_segment(recorder) <= 2 * steps**0.5 + 1


@pytest.mark.parametrize("checkpoints", [1, 2, 3, 7, 1000, None])
@pytest.mark.parametrize("name", METHODS)
def test_the_gradient_does_not_depend_on_the_budget(name: str, checkpoints: int | None) -> None:
    gradients = []
    for mode in ("direct", Checkpointed(checkpoints)):
        rate = torch.tensor([1.3], dtype=torch.float64, requires_grad=True)
        y0 = torch.tensor([[1.0], [2.0]], dtype=torch.float64, requires_grad=True)
        field = VectorField(decay, (rate,))
        y_end = solve_with_gradient(mode, field, METHODS[name], y0, 0.0, 1.0, dt=0.03).y_end
        gradients.append(torch.autograd.grad(y_end.square().sum(), (y0, rate)))
    for got, wanted in zip(*gradients, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-13, atol=0)


@pytest.mark.parametrize("checkpoints", [0, -3])
def test_a_budget_below_one_is_refused(checkpoints: int) -> None:
    y0 = torch.ones(1, 1, requires_grad=True)
    with pytest.raises(OptionError, match="expected at least 1, or None for the default"):
        solve_with_gradient(Checkpointed(checkpoints), VectorField(lambda p, t, y: -y), RK4, y0, 0.0, 1.0, dt=0.1)


def test_the_states_alive_are_the_checkpoints_and_one_segment() -> None:
    """Counts the states that f was called with and that somebody still holds."""
    most = {"forward": 0, "backward": 0}
    phase = "forward"

    states: list[weakref.ref] = []

    def watched(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
        states.append(weakref.ref(y))
        states[:] = [ref for ref in states if ref() is not None]
        most[phase] = max(most[phase], len(states))
        return -p[0] * torch.sin(y)

    rate = torch.ones(1, dtype=torch.float64, requires_grad=True)
    y0 = torch.ones(1, 1, dtype=torch.float64, requires_grad=True)
    steps, budget = 400, 20
    y_end = solve_with_gradient(
        Checkpointed(budget), VectorField(watched, (rate,)), RK4, y0, 0.0, 1.0, dt=1 / steps
    ).y_end
    phase = "backward"
    y_end.sum().backward()
    gc.collect()
    stages_of_one_step = RK4.stages + 2
    assert most["forward"] <= budget + stages_of_one_step
    assert most["backward"] <= budget + 2 * steps // budget + stages_of_one_step


@pytest.mark.parametrize("mode", ["direct", "checkpointed"])
def test_a_solution_is_freed_without_the_garbage_collector(mode: str) -> None:
    rate = torch.ones(1, dtype=torch.float64, requires_grad=True)
    gc.collect()
    gc.disable()
    try:
        y0 = torch.ones(1, 1, dtype=torch.float64, requires_grad=True)
        times = torch.tensor([0.5, 1.0], dtype=torch.float64)
        solution = solve_with_gradient(
            mode, VectorField(decay, (rate,)), RK4, y0, 0.0, 1.0, dt=0.1, save_at=times, dense=True
        )
        watched = [weakref.ref(solution.y_end), weakref.ref(solution.saved), weakref.ref(y0)]
        del solution, y0
        assert [ref() for ref in watched] == [None] * 3
    finally:
        gc.enable()


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(4, 16), nn.Dropout(0.5), nn.Linear(16, 4)).double()

    def field(self) -> VectorField:
        names = [name for name, _ in self.net.named_parameters()]

        def function(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
            return torch.func.functional_call(self.net, dict(zip(names, p, strict=True)), (y,))

        return VectorField(function, tuple(self.net.parameters()))


@pytest.mark.parametrize("name", METHODS)
def test_dropout_is_repeated_on_recomputation(name: str) -> None:
    results = []
    for mode in ("direct", Checkpointed(3)):
        module = Noisy()
        y0 = torch.ones(2, 4, dtype=torch.float64, requires_grad=True)
        torch.manual_seed(7)
        y_end = solve_with_gradient(mode, module.field(), METHODS[name], y0, 0.0, 1.0, dt=0.1).y_end
        y_end.square().sum().backward()
        results.append([y_end.detach(), y0.grad, *(p.grad for p in module.parameters()), torch.rand(3)])
    for got, wanted in zip(*results, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-14)


def test_modules_train_to_the_same_loss_in_both_modes() -> None:
    losses = []
    for mode in ("direct", "checkpointed"):
        module = Noisy().eval()
        optimiser = torch.optim.SGD(module.parameters(), lr=0.05)
        y0 = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(3, 4)
        for _ in range(5):
            optimiser.zero_grad()
            loss = solve_with_gradient(mode, module.field(), METHODS["tsit5"], y0, 0.0, 1.0).y_end.square().sum()
            loss.backward()
            optimiser.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)
