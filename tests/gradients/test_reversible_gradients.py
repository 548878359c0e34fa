"""Gradients by undoing steps: those of the steps that were made, from memory that does not grow with their number."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

import fieldsolver as fs
from fieldsolver.errors import FieldSolverWarning, OptionError
from fieldsolver.gradients import solve_with_gradient
from fieldsolver.methods import METHODS, ReversibleMethod
from fieldsolver.stepping import Ends, Status, Trajectory, VectorField
from fieldsolver.stepping.events import EventFunction

REVERSIBLE = [name for name, method in METHODS.items() if isinstance(method, ReversibleMethod)]
END = 1.5
TIMES = torch.tensor([0.0, 0.21, 0.9, 0.9, END], dtype=torch.float64)


def network(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
    weight, gain = p
    return (
        gain * torch.tanh(y @ weight).roll(1, -1) * torch.tensor([1.0, -1.0], dtype=y.dtype) + torch.cos(3 * t)[:, None]
    )


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    y0 = torch.randn(3, 2, generator=generator, dtype=torch.float64)
    weight = torch.eye(2, dtype=torch.float64) + 0.1 * torch.randn(2, 2, generator=generator, dtype=torch.float64)
    gain = torch.tensor([[0.1], [1.0], [8.0]], dtype=torch.float64)  # per sample: different steps, some rejected
    return y0.requires_grad_(), weight.requires_grad_(), gain.requires_grad_()


def loss(trajectory: Trajectory) -> Tensor:
    saved = torch.where(trajectory.saved.isnan(), 0.0, trajectory.saved)
    weights = torch.arange(1.0, 1 + len(saved), dtype=torch.float64).view(-1, *[1] * (saved.dim() - 1))
    return (weights * saved.abs() ** 2).sum() + (trajectory.y_end.abs() ** 3).sum()


def residual_of(run: Trajectory) -> Tensor:
    assert run.backward is not None
    assert run.backward.residual is not None
    return run.backward.residual


def assert_close(ours: tuple[Tensor, ...], expected: tuple[Tensor, ...], tolerance: float = 1e-9) -> None:
    for gradient, wanted in zip(ours, expected, strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=tolerance, atol=tolerance * float(wanted.abs().max()))


@pytest.mark.parametrize("per_sample", [None, (False, True)])
@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "adaptive"])
@pytest.mark.parametrize("name", REVERSIBLE)
def test_the_gradient_is_that_of_direct(name: str, fixed: bool, per_sample: tuple[bool, ...] | None) -> None:
    if not fixed and METHODS[name].error_order is None:
        pytest.skip("it takes fixed steps only")
    options: dict[str, Any] = {"dt": 0.1} if fixed else {"rtol": 1e-3, "atol": 1e-4}
    results = []
    for mode, flags in (("direct", None), ("reversible", per_sample)):
        y0, *parameters = inputs()
        field = VectorField(network, tuple(parameters), flags)
        trajectory = solve_with_gradient(mode, field, METHODS[name], y0, 0.0, END, save_at=TIMES, **options)
        results.append((trajectory, torch.autograd.grad(loss(trajectory), (y0, *parameters))))
    (reference, expected), (trajectory, gradients) = results
    torch.testing.assert_close(trajectory.saved, reference.saved, rtol=1e-12, atol=1e-12)
    assert_close(gradients, expected)
    residual = residual_of(trajectory)
    assert residual.max() < 1e-9
    assert fixed or trajectory.stats.accepted.unique().numel() == 3


@pytest.mark.parametrize("name", REVERSIBLE)
def test_it_agrees_with_central_differences(name: str) -> None:
    def value(y0: Tensor, weight: Tensor, gain: Tensor) -> Tensor:
        field = VectorField(network, (weight, gain))
        return loss(solve_with_gradient("reversible", field, METHODS[name], y0, 0.0, END, save_at=TIMES, dt=0.25))

    assert torch.autograd.gradcheck(value, inputs(), rtol=1e-6, atol=1e-6)


def test_complex_states_and_time_running_backward() -> None:
    def field(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
        return 1j * p[0] * y * y.abs() ** 2 + torch.sin(t)[:, None]

    results = []
    for mode in ("direct", "reversible"):
        y0 = torch.tensor([[1.0 + 0.5j], [0.2 - 1j]], dtype=torch.complex128, requires_grad=True)
        rate = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
        run = solve_with_gradient(mode, VectorField(field, (rate,)), METHODS["reversible_tsit5"], y0, 1.0, 0.0)
        results.append(torch.autograd.grad(run.y_end.abs().pow(3).sum(), (y0, rate)))
    assert_close(results[1], results[0])


@pytest.mark.parametrize("name", ["reversible_heun", "reversible_tsit5"])
def test_gradients_of_the_ends(name: str) -> None:
    results = []
    for mode in ("direct", "reversible"):
        ends = Ends(*(torch.tensor(t, dtype=torch.float64, requires_grad=True) for t in (0.0, END)))
        y0, *parameters = inputs()
        field = VectorField(network, tuple(parameters))
        run = solve_with_gradient(mode, field, METHODS[name], y0, 0.0, END, save_at=TIMES[:4], ends=ends, dt=0.1)
        results.append(torch.autograd.grad(loss(run), (*ends, y0, *parameters)))
    assert_close(results[1], results[0])


def oscillator(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
    return torch.stack((y[:, 1], -p[0] * y[:, 0]), 1)


@pytest.fixture
def only_new_objects() -> Iterator[None]:
    """The collector forgets what there is so far, which makes looking for tensors quick."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def alive(shape: tuple[int, ...]) -> int:
    """How many blocks of memory the tensors of this shape have."""
    gc.collect()
    return len({x.untyped_storage().data_ptr() for x in gc.get_objects() if type(x) is Tensor and x.shape == shape})


@pytest.mark.usefixtures("only_new_objects")
@pytest.mark.parametrize("name", REVERSIBLE)
def test_memory_does_not_grow_with_the_number_of_steps(name: str) -> None:
    """Live states, forward and during the backward pass, for few and for many steps."""
    shape, counts = (2, 2, 331), {}  # nothing else has this shape
    for steps in (20, 400):
        y0 = torch.ones(shape, dtype=torch.float64, requires_grad=True)
        rate = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
        seen, calls, every = [], [0], METHODS[name].stages * steps // 3

        def watched(
            p: tuple[Tensor, ...], t: Tensor, y: Tensor,
            seen: list[int] = seen, calls: list[int] = calls, every: int = every,
        ) -> Tensor:  # fmt: skip
            calls[0] += 1
            if calls[0] % every == every - 1:  # looking takes long
                seen.append(alive(shape))
            return oscillator(p, t, y)

        field = VectorField(watched, (rate,))
        run = solve_with_gradient("reversible", field, METHODS[name], y0, 0.0, 2.0, dt=2.0 / steps)
        after, forward = alive(shape), len(seen)
        run.y_end.square().sum().backward()
        assert run.backward is not None
        counts[steps] = after, max(seen[:forward], default=0), max(seen[forward:], default=0), run.backward.peak_states
    few, many = counts[20], counts[400]
    assert many[0] == few[0] <= 8
    assert many[3] == few[3] <= 6
    assert many[1] <= few[1] + 2 + 4 * METHODS[name].stages  # the places where it was looked are not the same
    assert many[2] <= few[2] + 2 + 4 * METHODS[name].stages


@pytest.mark.slow
@pytest.mark.usefixtures("only_new_objects")
@pytest.mark.parametrize("name", ["reversible_heun", "reversible_rk4"])
def test_ten_thousand_steps_keep_what_a_hundred_keep(name: str) -> None:
    shape, kept, gradients = (1, 2, 331), [], {}
    for steps in (100, 10_000):
        y0 = torch.ones(shape, dtype=torch.float64, requires_grad=True)
        rate = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
        run = solve_with_gradient(
            "reversible", VectorField(oscillator, (rate,)), METHODS[name], y0, 0.0, 20.0, dt=20.0 / steps
        )
        kept.append(alive(shape))
        gradients[steps] = torch.autograd.grad(run.y_end[:, 0].sum(), rate)[0].item()
        residual = residual_of(run)
        assert residual.max() < 1e-9
    assert kept[0] == kept[1] <= 8
    exact = 331 * sum(d * 10.0 for d in (-math.sin(20.0), math.cos(20.0))) - 331 * math.sin(20.0) / 2
    assert gradients[10_000] == pytest.approx(exact, rel=2e-4)


@pytest.mark.parametrize("name", REVERSIBLE)
def test_the_evaluations_are_counted(name: str) -> None:
    calls = []

    def counted(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
        calls.append(t)
        return oscillator(p, t, y)

    y0 = torch.ones(1, 2, dtype=torch.float64, requires_grad=True)
    rate = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    run = solve_with_gradient("reversible", VectorField(counted, (rate,)), METHODS[name], y0, 0.0, 1.0, dt=0.1)
    calls.clear()
    run.y_end.sum().backward()
    assert run.backward is not None
    assert run.backward.nfev == len(calls) == 2 * 10 * METHODS[name].describe().evaluations + 1


def bouncing(mode: str, name: str, options: dict[str, Any]) -> tuple[Trajectory, tuple[Tensor, ...]]:
    """Three balls, dropped from different heights, that lose a fifth of their speed at the floor."""
    y0 = torch.tensor([[1.0, 0.0], [0.5, 0.3], [4.0, 0.0]], dtype=torch.float64, requires_grad=True)
    gravity = torch.tensor(9.81, dtype=torch.float64, requires_grad=True)
    restitution = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)

    def fall(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
        return torch.stack((y[:, 1], -p[0] * (1 + 0.01 * y[:, 0])), 1)

    def bounce(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
        return torch.stack((y[:, 0], -p[1] * y[:, 1]), 1)

    floor = EventFunction("floor", lambda p, t, y: y[:, 0], direction=-1, reset=bounce)
    field = VectorField(fall, (gravity, restitution))
    saves = torch.linspace(0.0, 1.2, 7, dtype=torch.float64)
    run = solve_with_gradient(mode, field, METHODS[name], y0, 0.0, 1.2, save_at=saves, events=[floor], **options)
    assert run.events is not None
    value = loss(run) + (run.events.t * run.events.y_after[:, 1]).sum()
    return run, torch.autograd.grad(value, (y0, gravity, restitution))


@pytest.mark.parametrize("name", REVERSIBLE)
def test_events_break_the_way_back_and_are_bridged(name: str) -> None:
    fixed = name in ("reversible_heun", "reversible_rk4")
    options: dict[str, Any] = {"dt": 0.05} if fixed else {"rtol": 1e-5, "atol": 1e-7}
    _, expected = bouncing("direct", name, options)
    run, gradients = bouncing("reversible", name, options)
    assert run.events is not None
    assert run.backward is not None
    residual = residual_of(run)
    assert run.events.t.numel() >= 4
    assert_close(gradients, expected)
    assert residual.max() < 1e-9
    carried = 3 if name == "reversible_heun" else 2
    assert run.backward.peak_states == math.ceil(2 * carried + (carried + 1) * run.events.t.numel() / 3)


def test_jumps_of_f_are_bridged() -> None:
    def switched(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
        return oscillator(p, t, y) + (t > 0.4).to(y.dtype)[:, None]

    results = []
    for mode in ("direct", "reversible"):
        y0, *_ = inputs()
        rate = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
        jump = torch.tensor([0.4], dtype=torch.float64)
        run = solve_with_gradient(
            mode, VectorField(switched, (rate,)), METHODS["reversible_tsit5"], y0, 0.0, 1.0, rtol=1e-6, restart_at=jump
        )
        results.append(torch.autograd.grad(loss(run), (y0, rate)))
    assert_close(results[1], results[0])


@pytest.mark.parametrize("selectable", [False, True])
def test_samples_that_end_early_or_fail_leave_the_others_alone(selectable: bool) -> None:
    """The second one blows up, the fourth is never finite; with a selectable field both are taken out of the batch."""

    def grow(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
        return p[0] * y * y * torch.cos(t / 3)[:, None]

    results = []
    for mode in ("direct", "reversible"):
        y0 = torch.tensor([[0.1], [2.0], [0.5], [math.nan], [3.0], [2.5]], dtype=torch.float64, requires_grad=True)
        rate = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
        field = VectorField(grow, (rate,), (False,) if selectable else None)
        run = solve_with_gradient(
            mode, field, METHODS["reversible_tsit5"], y0, 0.0, 1.0, save_at=TIMES[1:3] / 2, rtol=1e-4
        )
        good = run.status == Status.SUCCESS
        assert good.tolist() == [True, False, True, False, False, False]
        results.append(torch.autograd.grad((run.saved[:, good] ** 2).sum() + run.y_end[good].sum(), (y0, rate)))
    assert_close(results[1], results[0])
    assert torch.isfinite(results[1][0]).all()


def test_two_passes_over_one_graph_and_writing_into_the_result() -> None:
    y0, *parameters = inputs()
    field = VectorField(network, tuple(parameters))
    run = solve_with_gradient("reversible", field, METHODS["reversible_tsit5"], y0, 0.0, END, save_at=TIMES, dt=0.1)
    value = loss(run)
    first = torch.autograd.grad(value, (y0, *parameters), retain_graph=True)
    assert run.backward is not None
    cost = run.backward.nfev
    assert_close(torch.autograd.grad(value, (y0, *parameters)), first, 0.0)
    assert run.backward.nfev == 2 * cost
    again = solve_with_gradient("reversible", field, METHODS["reversible_tsit5"], y0, 0.0, END, save_at=TIMES, dt=0.1)
    value = loss(again)
    again.y_end.detach().zero_()  # the state to go back from is not the user's
    with pytest.raises(RuntimeError, match="inplace operation"):  # torch says so of the graph of the loss
        torch.autograd.grad(value, y0)


def test_lost_digits_are_told() -> None:
    """y' = -30 y + ... forgets its start: what is found on the way back is round-off, blown up by e^30."""
    y0 = torch.ones(1, 1, dtype=torch.float64, requires_grad=True)
    field = VectorField(lambda p, t, y: -30.0 * (y - torch.cos(t)[:, None]))
    run = solve_with_gradient("reversible", field, METHODS["reversible_bosh3"], y0, 0.0, 1.0, dt=0.005)
    total = run.y_end.sum()
    with pytest.warns(FieldSolverWarning, match=r"1 of 1 sample\(s\) missed their start by up to .* of their size"):
        total.backward()
    residual = residual_of(run)
    assert residual.item() > 1e-6


def test_lost_digits_of_a_sample_that_failed_are_told_where_the_loss_looks_at_it() -> None:
    """Its end is nearly infinite, and the save points before are not found again from there."""
    y0 = torch.tensor([[0.1], [2.0]], dtype=torch.float64, requires_grad=True)
    field = VectorField(lambda p, t, y: y * y)
    run = solve_with_gradient(
        "reversible", field, METHODS["reversible_tsit5"], y0, 0.0, 1.0, save_at=TIMES[1:2], dt=0.01
    )
    assert run.status.tolist() == [Status.SUCCESS, Status.NON_FINITE]
    torch.autograd.grad(run.saved[:, 0].sum(), y0, retain_graph=True)  # nothing is lost there: no warning
    with pytest.warns(FieldSolverWarning, match=r"1 of 2 sample\(s\) missed their start"):
        torch.autograd.grad(run.saved.sum(), y0)


def test_a_start_at_zero_has_a_scale_too() -> None:
    y0 = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)
    weight, gain = inputs()[1:]
    field = VectorField(network, (weight, gain[:2]))
    run = solve_with_gradient("reversible", field, METHODS["reversible_heun"], y0, 0.0, END, dt=0.01)
    run.y_end.sum().backward()
    residual = residual_of(run)
    assert residual.max() < 1e-12


def test_solve_takes_the_mode_by_name_and_as_an_object() -> None:
    gradients = []
    for mode in ("direct", "reversible", fs.gradients.Reversible()):
        rate = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
        solution = fs.solve(
            lambda t, y, rate: torch.stack((y[1], -rate * y[0])), torch.tensor([1.0, 0.0], dtype=torch.float64),
            t_span=(0.0, 3.0), method="reversible_tsit5", args=(rate,), gradient=mode,
        )  # fmt: skip
        gradients.append(torch.autograd.grad(solution.y[-1].sum(), (rate,)))
    assert_close(gradients[1], gradients[0])
    assert_close(gradients[2], gradients[1], 0.0)


def test_what_cannot_be_is_refused() -> None:
    y0, *parameters = inputs()
    field = VectorField(network, tuple(parameters))
    with pytest.raises(OptionError, match=r"steps of 'tsit5'; it needs one of: reversible_heun, .*tsit5;"):
        solve_with_gradient("reversible", field, METHODS["tsit5"], y0, 0.0, END)
    method = METHODS["reversible_heun"]
    run = solve_with_gradient("reversible", field, method, y0, 0.0, END, dt=0.5)
    with pytest.raises(OptionError, match=r"gradient='reversible' was differentiated .*create_graph=True"):
        torch.autograd.grad(run.y_end.sum(), y0, create_graph=True)
    hidden = parameters[0]
    captured = VectorField(lambda p, t, y: torch.tanh(y @ hidden))
    with pytest.raises(OptionError, match="captures a tensor that requires a gradient"):
        solve_with_gradient("reversible", captured, method, y0, 0.0, END, dt=0.5)
    noisy = VectorField(lambda p, t, y: p[0] * torch.nn.functional.dropout(y, 0.5), (parameters[1],))
    with pytest.raises(OptionError, match="draws random numbers"):
        solve_with_gradient("reversible", noisy, method, y0, 0.0, END, dt=0.5)
