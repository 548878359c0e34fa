"""Checkpoints: their budget, what they cost, and random numbers on recomputation."""

from __future__ import annotations

import gc
import weakref
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor, nn

from fieldsolver.errors import OptionError
from fieldsolver.gradients import Checkpointed, GradientMode, solve_with_gradient
from fieldsolver.gradients.discrete import budget as budgets
from fieldsolver.gradients.discrete.binomial import advances
from fieldsolver.methods import METHODS, ExplicitRungeKutta, get_method
from fieldsolver.stepping import Trajectory, VectorField

RK4, TSIT5 = get_method("rk4"), get_method("tsit5")
RUNGE_KUTTA = [name for name, method in METHODS.items() if isinstance(method, ExplicitRungeKutta)]


def decay(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
    return -p[0] * torch.sin(y) * torch.cos(3 * t)[:, None]


@dataclass(eq=False)
class Solve:
    """A solve with its gradients, and how often f was evaluated in both passes."""

    mode: str | GradientMode
    name: str
    options: dict
    evaluations: list[int] = field(default_factory=lambda: [0])

    def __post_init__(self) -> None:
        self.rate = torch.tensor([1.3], dtype=torch.float64, requires_grad=True)
        self.y0 = torch.linspace(-1.0, 2.0, 16, dtype=torch.float64).reshape(2, 8).requires_grad_()
        self.trajectory = self.run()
        self.forward = self.evaluations[0]
        self.gradients = torch.autograd.grad(self.trajectory.y_end.square().sum(), (self.y0, self.rate))
        self.backward = self.evaluations[0] - self.forward

    def run(self) -> Trajectory:
        return solve_with_gradient(
            self.mode, VectorField(self.counted, (self.rate,)), METHODS[self.name], self.y0, 0.0, 1.0, **self.options
        )

    def counted(self, p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
        self.evaluations[0] += 1
        return decay(p, t, y)


@pytest.mark.parametrize("states", [1, 3, 1000, None])
@pytest.mark.parametrize("name", METHODS)
def test_the_gradient_does_not_depend_on_the_budget(name: str, states: int | None) -> None:
    direct, checkpointed = (Solve(mode, name, {"dt": 0.08}) for mode in ("direct", Checkpointed(states)))
    for got, wanted in zip(checkpointed.gradients, direct.gradients, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-13, atol=0)


@pytest.mark.parametrize("states", [1, 4, None])
@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_the_gradient_is_that_of_direct_to_the_last_bit(name: str, states: int | None) -> None:
    """The sums over steps and stages included: totals enter the graph of the next row in front of its own share."""
    steps = [{"dt": 0.08}]
    if METHODS[name].error_order is not None:
        steps.append({"rtol": 1e-3, "atol": 1e-3, "dt_max": 0.1})
    for options in steps:
        direct, checkpointed = (Solve(mode, name, options) for mode in ("direct", Checkpointed(states)))
        for got, wanted in zip(checkpointed.gradients, direct.gradients, strict=True):
            assert torch.equal(got, wanted)


@pytest.mark.parametrize("states", [0, -3, 2.5, True, "all"])
def test_a_budget_that_is_none_is_refused(states: object) -> None:
    with pytest.raises(OptionError, match="expected a number, at least 1, or None for the default"):
        Checkpointed(states)  # refused before anything runs


@pytest.mark.parametrize("steps", [{"dt": 0.0}, {"dt": float("nan")}, {"step_times": torch.tensor(0.5)}])
def test_steps_that_make_no_sense_are_left_to_the_run_to_refuse(steps: dict) -> None:
    with pytest.raises(OptionError, match=r"expected a positive size|step_times"):
        Solve(Checkpointed(3), "rk4", steps)


@pytest.mark.parametrize("states", [1, 2, 5, 12, 100])
@pytest.mark.parametrize("name", ["euler", "bosh3", "tsit5", "rk4"])
def test_known_steps_cost_the_evaluations_of_the_optimal_schedule(name: str, states: int) -> None:
    """Whatever the method needs for a step: no evaluation is spent on derivatives that states do not hold."""
    solve, steps = Solve(Checkpointed(states), name, {"dt": 1 / 60}), 60
    of_a_step = METHODS[name].stages - METHODS[name].fsal
    again = advances(steps + 1, min(states, steps)) - steps
    assert solve.backward == of_a_step * (again + steps)
    assert solve.forward == 1 + of_a_step * steps + METHODS[name].fsal  # a probe first, and the very first derivative
    assert solve.trajectory.backward is not None
    assert solve.trajectory.backward.nfev == solve.backward
    assert solve.trajectory.backward.peak_states == min(states, steps)


@pytest.mark.parametrize("states", [2, 5, 12, 100, None])
@pytest.mark.parametrize("name", ["bosh3", "tsit5"])
def test_unknown_steps_cost_at_most_a_tenth_more(name: str, states: int | None) -> None:
    solve = Solve(Checkpointed(states), name, {"rtol": 1e-7, "atol": 1e-7, "dt_max": 0.02})
    steps, of_a_step = len(solve.trajectory.steps), METHODS[name].stages - 1
    assert steps > 40
    slots = min(states or steps, steps)
    assert solve.backward + of_a_step * steps <= 1.1 * of_a_step * (advances(steps + 1, slots) + steps)
    assert solve.trajectory.backward is not None
    assert solve.trajectory.backward.nfev == solve.backward
    assert solve.trajectory.backward.peak_states <= slots


@pytest.mark.parametrize("name", METHODS)
def test_the_evaluations_are_counted_as_they_are_made(name: str) -> None:
    """Save points inside steps included, which need dense output."""
    times = torch.linspace(0.0, 1.0, 7, dtype=torch.float64)
    solve = Solve(Checkpointed(3), name, {"dt": 0.055, "save_at": times})
    assert solve.trajectory.backward is not None
    assert solve.trajectory.backward.nfev == solve.backward
    torch.autograd.grad(solve.run().saved.sum(), (solve.y0, solve.rate))


def test_replayed_and_given_steps_are_known() -> None:
    times = torch.linspace(0, 1, 61, dtype=torch.float64) ** 1.5
    given = Solve(Checkpointed(4), "tsit5", {"step_times": times})
    replayed = Solve(Checkpointed(4), "tsit5", {"replay": given.trajectory.steps})
    assert given.backward == replayed.backward == 6 * advances(61, 4)


def test_without_a_budget_all_states_are_kept_until_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then about twice the square root of the steps, and no step is made more than three times."""
    solve = Solve(Checkpointed(), "rk4", {"dt": 1 / 400})
    assert solve.backward == 4 * 400
    state = 2 * 8 * 8  # bytes
    monkeypatch.setattr(budgets, "DEFAULT_BYTES", 50 * state)
    solve = Solve(Checkpointed(), "rk4", {"dt": 1 / 400})
    assert 4 * 400 < solve.backward <= 4 * 2 * 400
    assert solve.trajectory.backward is not None
    assert solve.trajectory.backward.peak_states == 50
    monkeypatch.setattr(budgets, "DEFAULT_BYTES", 0)
    solve = Solve(Checkpointed(), "rk4", {"dt": 1 / 400})
    assert solve.backward <= 4 * 2 * 400
    assert solve.trajectory.backward is not None
    assert solve.trajectory.backward.peak_states == 2 * 19  # 2 isqrt(399)


@pytest.mark.parametrize("states", [2, None])
def test_a_second_backward_pass_finds_what_it_needs(states: int | None) -> None:
    """Where states had to be given up the first one lets go of the checkpoints; the next begins from y0."""
    rate = torch.tensor([1.3], dtype=torch.float64, requires_grad=True)
    y0 = torch.tensor([[1.0], [2.0]], dtype=torch.float64, requires_grad=True)
    found = solve_with_gradient(Checkpointed(states), VectorField(decay, (rate,)), TSIT5, y0, 0.0, 1.0, dt=0.03)
    one, other = (torch.autograd.grad(found.y_end.sum(), (y0, rate), retain_graph=True) for _ in range(2))
    for a, b in zip(one, other, strict=True):
        assert torch.equal(a, b)


def test_memories_of_adams_methods_count_as_states() -> None:
    """A state of ab4 comes with four derivatives; 16 states hold that of the start and three of the others."""
    solve = Solve(Checkpointed(16), "ab4", {"dt": 0.01})
    assert solve.trajectory.backward is not None
    assert solve.trajectory.backward.peak_states == 1 + 3 * (1 + 4)
    again = advances(101, 4) - 100
    starts = 3 * 3  # the first three steps of a run are Runge-Kutta steps, of four evaluations
    assert solve.backward >= again + 100 + starts


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


def with_noise(mode: str | GradientMode, name: str, **options) -> list[Tensor]:
    module = Noisy()
    y0 = torch.ones(2, 4, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(7)
    found = solve_with_gradient(mode, module.field(), METHODS[name], y0, 0.0, 1.0, **options)
    found.y_end.square().sum().backward()
    return [found.y_end.detach(), y0.grad, *(p.grad for p in module.parameters()), torch.rand(3)]


@pytest.mark.parametrize("states", [3, None])
@pytest.mark.parametrize("name", METHODS)
def test_dropout_is_repeated_on_recomputation(name: str, states: int | None) -> None:
    results = [with_noise(mode, name, dt=0.1) for mode in ("direct", Checkpointed(states))]
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
