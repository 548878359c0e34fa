"""Gradients through events and jumps: closed forms, central differences, and the agreement of the modes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.gradients import Checkpointed, GradientMode, solve_with_gradient
from fieldsolver.methods import get_method
from fieldsolver.stepping import Status, Trajectory, VectorField
from fieldsolver.stepping.events import EventFunction

TIMES = torch.linspace(0.0, 2.0, 5, dtype=torch.float64)
MODES = ["direct", "checkpointed"]
CONTROLS = [pytest.param({"rtol": 1e-10, "atol": 1e-10}, id="adaptive"), pytest.param({"dt": 0.11}, id="fixed")]


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).requires_grad_(True)


def flight(p: Any, t: Tensor, y: Tensor) -> Tensor:
    """y = (height, velocity), p = (gravity (B,), restitution ())."""
    return torch.stack([y[:, 1], -p[0]], dim=1)


def height(p: Any, t: Tensor, y: Tensor) -> Tensor:
    return y[:, 0]


def bounce(p: Any, t: Tensor, y: Tensor) -> Tensor:
    return torch.stack([y[:, 0], -p[1] * y[:, 1]], dim=1)


def run(
    mode: str | GradientMode, field: VectorField, y0: Tensor, events: list[EventFunction], method: str = "tsit5",
    **options: Any,
) -> Trajectory:  # fmt: skip
    return solve_with_gradient(mode, field, get_method(method), y0, 0.0, 2.0, save_at=TIMES, events=events, **options)


def compare(got: dict[str, Tensor], expected: dict[str, Tensor], inputs: tuple[Tensor, ...], accuracy: float) -> None:
    """Values, and derivatives in a direction of the outputs that treats all entries differently."""
    for name, value in got.items():
        reference = expected[name]
        torch.testing.assert_close(value.detach(), reference.detach(), rtol=accuracy, atol=accuracy, msg=name)
        weights = torch.linspace(0.7, 1.3, value.numel(), dtype=torch.float64).reshape(value.shape)
        found, wanted = (
            torch.autograd.grad(
                (weights * x).sum(), inputs, retain_graph=True, materialize_grads=True, allow_unused=True
            )
            for x in (value, reference)
        )
        for a, b in zip(found, wanted, strict=True):
            torch.testing.assert_close(a, b, rtol=accuracy, atol=accuracy, msg=lambda m, n=name: f"{n}: {m}")


def closed_form(h: Tensor, v: Tensor, g: Tensor, e: Tensor, t: float) -> tuple[Tensor, list[Tensor]]:
    """State of one ball at t, and the times of its impacts before."""
    impact = (v + torch.sqrt(v**2 + 2 * g * h)) / g
    if impact > t:
        return torch.stack([h + v * t - g * t**2 / 2, v - g * t]), []
    times, speed = [impact], e * torch.sqrt(v**2 + 2 * g * h)
    while times[-1] + 2 * speed / g < t:
        times.append(times[-1] + 2 * speed / g)
        speed = e * speed
    flown = t - times[-1]
    return torch.stack([speed * flown - g * flown**2 / 2, speed - g * flown]), times


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("options", CONTROLS)
@pytest.mark.parametrize("selectable", [True, False])
def test_bouncing_balls(mode: str, options: dict[str, Any], selectable: bool) -> None:
    """Save points, last states, impact times and speeds by height, velocity, gravity and restitution."""
    h, v, g, e = inputs = (tensor(1.0, 2.0, 0.5), tensor(0.0, 1.0, -2.0), tensor(10.0, 9.0, 8.0), tensor(0.7))
    field = VectorField(flight, (g, e), (True, False) if selectable else None)
    impact = EventFunction("impact", height, -1, reset=bounce)
    apex = EventFunction("apex", lambda p, t, y: y[:, 1], -1)
    found = run(mode, field, torch.stack([h, v], dim=1), [impact, apex], **options)
    rows, times = [], []
    for t in TIMES.tolist():
        rows.append(torch.stack([closed_form(h[i], v[i], g[i], e[0], t)[0] for i in range(3)]))
    for i in range(3):
        times += closed_form(h[i], v[i], g[i], e[0], 2.0)[1]
    log = found.events
    assert log is not None
    own = torch.from_numpy(log.event == 0)
    got = {"saved": found.saved, "end": found.y_end, "impacts": log.t[own]}
    compare(got, {"saved": torch.stack(rows), "end": rows[-1], "impacts": torch.stack(times)}, inputs, 1e-7)
    compare(
        {"after": log.y_after[own][:, 1], "tops": log.y_before[~own][:1, 0]},
        {"after": -e[0] * log.y_before[own][:, 1], "tops": log.y_before[~own][:1, 0]},
        inputs, 1e-9,
    )  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("options", CONTROLS)
def test_terminal_events(mode: str, options: dict[str, Any]) -> None:
    """The last state of a ball that hits the ground belongs to the time of the impact, not to the located number."""
    h, v, g, e = inputs = (tensor(1.0, 2.0, 0.5), tensor(0.0, 1.0, -2.0), tensor(10.0, 9.0, 8.0), tensor(0.7))
    field = VectorField(flight, (g, e), (True, False))
    found = run(
        mode, field, torch.stack([h, v], dim=1), [EventFunction("ground", height, -1, terminal=True)], **options
    )
    assert (found.status == Status.EVENT).all()
    speed = torch.sqrt(v**2 + 2 * g * h)
    assert found.events is not None
    compare({"t": found.events.t, "v": found.y_end[:, 1]}, {"t": (v + speed) / g, "v": -speed}, inputs, 1e-9)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("method", ["tsit5", "dop853", "bosh3"])
def test_integrate_and_fire(mode: str, method: str) -> None:
    """v' = I - v, reset to r at 1: spikes at log((I - r)/(I - 1)) after each other, and v(2) from the last one."""
    current, reset = inputs = (tensor(1.5, 2.0, 0.9), tensor(0.2))
    spike = EventFunction("spike", lambda p, t, y: y[:, 0] - 1.0, 1, reset=lambda p, t, y: p[1].expand_as(y))
    field = VectorField(lambda p, t, y: p[0][:, None] - y, (current, reset), (True, False))
    found = run(mode, field, torch.zeros(3, 1, dtype=torch.float64), [spike], method, rtol=1e-10, atol=1e-10)
    times, ends = [], []
    for i in current:
        start, last = torch.zeros(()).double(), torch.zeros(()).double()
        while i > 1 and last + torch.log((i - start) / (i - 1)) < 2.0:
            last = last + torch.log((i - start) / (i - 1))
            start = reset[0]
            times.append(last)
        ends.append(i + (start - i) * torch.exp(last - 2.0))
    assert found.events is not None
    assert len(times) == 4
    compare(
        {"t": found.events.t, "y": found.y_end[:, 0]}, {"t": torch.stack(times), "y": torch.stack(ends)}, inputs, 1e-7
    )


def pendulum(p: Any, t: Tensor, y: Tensor) -> Tensor:
    return torch.stack([y[:, 1], -p[0] * torch.sin(y[:, 0]) + p[1] * torch.cos(3 * t)], dim=1)


def kicks() -> list[EventFunction]:
    """A kick with a moving threshold, a watched apex, and a second reset that depends on time."""
    return [
        EventFunction(
            "kick", lambda p, t, y: y[:, 0] - p[2] * torch.cos(t), 0,
            reset=lambda p, t, y: torch.stack([y[:, 0] + 0.3 * p[2], 0.9 * y[:, 1] + p[1]], dim=1),
        ),
        EventFunction("apex", lambda p, t, y: y[:, 1]),
        EventFunction("late", lambda p, t, y: t - p[2] - 1.0, 1, reset=lambda p, t, y: y * (1 - t / 5)[:, None]),
    ]  # fmt: skip


def outcome(mode: str, y0: Tensor, p: tuple[Tensor, ...], options: dict[str, Any]) -> Tensor:
    """Everything that comes out, as one number."""
    found = run(mode, VectorField(pendulum, p, (False,) * 3), y0, kicks(), **options)
    log = found.events
    assert log is not None
    assert set(log.event) == {0, 1, 2}
    weights = torch.linspace(0.5, 1.5, found.saved.numel(), dtype=torch.float64).reshape(found.saved.shape)
    spread = torch.linspace(1.0, 2.0, len(log), dtype=torch.float64)
    events = (spread * log.t).sum() + (spread[:, None] * (log.y_after - 0.5 * log.y_before)).sum()
    return (weights * found.saved).sum() + found.y_end.square().sum() + events


@pytest.mark.parametrize(
    "options", [pytest.param({"rtol": 1e-11, "atol": 1e-11}, id="adaptive"), pytest.param({"dt": 0.02}, id="fixed")]
)
def test_against_central_differences(options: dict[str, Any]) -> None:
    """A pendulum that is kicked: both modes against differences of whole runs, whose events move along."""
    y0 = torch.tensor([[0.8, 0.4], [-0.5, 1.0], [1.5, -0.2]], dtype=torch.float64)
    p = tuple(torch.tensor(x, dtype=torch.float64) for x in (4.0, 0.3, 0.25))

    def value(*inputs: Tensor, mode: str = "none") -> Tensor:
        return outcome(mode, inputs[0], inputs[1:], options)

    gradients = {}
    for mode in MODES:
        leaves = tuple(x.clone().requires_grad_(True) for x in (y0, *p))
        gradients[mode] = torch.autograd.grad(value(*leaves, mode=mode), leaves)
    for a, b in zip(*gradients.values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    step = 1e-5
    for place, slope in enumerate(gradients["direct"]):
        for index in range(slope.numel()):
            moved = []
            for sign in (1.0, -1.0):
                inputs = [x.clone() for x in (y0, *p)]
                inputs[place].view(-1)[index] += sign * step
                moved.append(value(*inputs).item())
            difference = (moved[0] - moved[1]) / (2 * step)
            assert abs(difference - slope.reshape(-1)[index].item()) < 2e-5 * max(1.0, abs(difference))


@pytest.mark.parametrize("mode", MODES)
def test_through_a_jump_of_the_right_hand_side(mode: str) -> None:
    """y' = a y before t = 1 and b y after it: y(2) = y0 exp(a + b)."""
    y0, a, b = inputs = tensor(1.5), tensor(0.5), tensor(-1.0)
    field = VectorField(lambda p, t, y: torch.where(t < 1.0, p[0], p[1])[:, None] * y, (a, b), (False, False))
    found = run(mode, field, y0[:, None], [], rtol=1e-11, atol=1e-11, restart_at=torch.tensor([1.0]))
    compare({"y": found.y_end[:, 0]}, {"y": y0 * torch.exp(a + b)}, inputs, 1e-9)


@pytest.mark.parametrize("mode", [Checkpointed(2), "direct"])
def test_few_checkpoints_and_samples_that_leave(mode: str | GradientMode) -> None:
    """Balls that end early are compacted out; segments of many rows carry their events."""
    h = tensor(0.05, 0.06, 0.07, 0.08, 5.0, 6.0)
    g, e = tensor(*[10.0] * 6), tensor(0.8)
    ground = EventFunction("ground", height, -1, terminal=True)
    field = VectorField(flight, (g, e), (True, False))
    y0 = torch.stack([h, torch.zeros_like(h)], dim=1)
    level = EventFunction("level", lambda p, t, y: y[:, 0] - 0.04)
    found = run(mode, field, y0, [ground, level], rtol=1e-9, atol=1e-9, dt_max=0.05)
    log = found.events
    assert log is not None
    own = torch.from_numpy(log.event == 0)
    got, expected = {"t": log.t[own], "level": log.t[~own]}, torch.sqrt(2 * torch.stack([h, h - 0.04]) / g)
    compare(got, {"t": expected[0], "level": expected[1]}, (h, g), 1e-9)


def test_captured_tensors() -> None:
    """A threshold in a closure gets its gradient in direct mode, and is refused where it would silently get none."""
    threshold = tensor(0.5)

    def watch(p, t, y) -> Tensor:
        return y[:, 0] - threshold

    event = EventFunction("level", watch, terminal=True, selectable=False)
    field = VectorField(lambda p, t, y: torch.full_like(y, 2.0))
    start = torch.zeros(1, 1, dtype=torch.float64)
    found = run("direct", field, start, [event], rtol=1e-8, atol=1e-8)
    assert found.events is not None
    (slope,) = torch.autograd.grad(found.events.t.sum(), threshold)
    torch.testing.assert_close(slope, torch.full_like(slope, 0.5))
    with pytest.raises(OptionError, match="event 'level' captures a tensor that requires a gradient"):
        run("checkpointed", field, start, [event], rtol=1e-8, atol=1e-8)
