"""Events closer to each other than round-off resolves well, and second derivatives through events."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import fieldsolver as fs

GRAVITY, BOUNCE = 9.81, 0.8
METHODS = ({"method": "tsit5"}, {"method": "dop853"}, {"method": "rk4", "dt": 0.1})
LADDER = (0.0, *(10.0**-k for k in range(14, 5, -1)), *(3 * 10.0**-k for k in range(13, 8, -1)))

each_method = pytest.mark.parametrize("options", METHODS, ids=lambda options: options["method"])


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def fall(t: Tensor, y: Tensor) -> Tensor:
    """Balls (height, velocity), one after the other, as they fall freely."""
    pairs = y.unflatten(-1, (-1, 2))
    return torch.stack([pairs[..., 1], torch.full_like(pairs[..., 1], -GRAVITY)], -1).flatten(-2)


def impact(ball: int, restitution: float = BOUNCE, floor: float = 0.0, **options: Any) -> fs.Event:
    """Ball number `ball` turns round where it is."""

    def reset(t: Tensor, y: Tensor) -> Tensor:
        return torch.cat(
            [y[..., : 2 * ball + 1], -restitution * y[..., 2 * ball + 1, None], y[..., 2 * ball + 2 :]], -1
        )

    return fs.Event(lambda t, y: y[..., 2 * ball] - floor, reset=reset, name=f"impact {ball}", **options)


def impact_times(height: float) -> list[float]:
    """The first two."""
    first = math.sqrt(2 * height / GRAVITY)
    return [first, first * (1 + 2 * BOUNCE)]


@each_method
@pytest.mark.parametrize("offset", LADDER)
@pytest.mark.parametrize("direction", ["down", "both"])
def test_two_balls_that_fall_together(options: dict[str, Any], offset: float, direction: str) -> None:
    """Both bounce twice, whichever is the lower one, at the times of a ball alone."""
    for heights in ((1.0, 1.0 + offset), (1.0 + offset, 1.0)):
        start = tensor(heights[0], 0.0, heights[1], 0.0)
        events = [impact(0, direction=direction), impact(1, direction=direction)]
        run = fs.solve(fall, start, t_span=(0, 1.3), events=events, **options)
        for ball, height in enumerate(heights):
            times = run.events.times(f"impact {ball}").numpy()
            np.testing.assert_allclose(times, impact_times(height), rtol=0, atol=1e-11)


@each_method
@pytest.mark.parametrize("offset", LADDER)
def test_a_ball_that_hardly_leaves_the_ground_does_not_hit_it_again(options: dict[str, Any], offset: float) -> None:
    """It bounces with 1/1000 of its speed, on both sides of zero for round-off, while the other one arrives."""
    start = tensor(1.0, 0.0, 1.0 + offset, 0.0)
    events = [impact(0, restitution=1e-3, direction="both"), impact(1, direction="both")]
    run = fs.solve(fall, start, t_span=(0, 0.4518), events=events, **options)  # the first hop ends at 0.45243
    assert [len(run.events.times(f"impact {ball}")) for ball in (0, 1)] == [1, 1]


@each_method
@pytest.mark.parametrize("offset", LADDER)
def test_an_end_right_behind_a_reset(options: dict[str, Any], offset: float) -> None:
    """The reset changes nothing; the end comes at its own time, on either side of it."""
    for first, last in ((0.5, 0.5 * (1 + offset)), (0.5 * (1 - offset), 0.5)):
        tick = fs.Event(lambda t, y, at=first: t - at, reset=lambda t, y: y, name="tick")
        end = fs.Event(lambda t, y, at=last: t - at, terminal=True, name="end")
        run = fs.solve(lambda t, y: -y, tensor(1.0), t_span=(0, 1), events=[tick, end], **options)
        assert fs.Status(run.status.item()) is fs.Status.EVENT
        np.testing.assert_allclose(run.t_end.item(), last, rtol=0, atol=2e-12)
        assert len(run.events.times("tick")) == 1


@each_method
@pytest.mark.parametrize("offset", LADDER)
def test_what_only_watches_right_before_or_behind_a_reset(options: dict[str, Any], offset: float) -> None:
    for sign in (-1, 1):
        jump = fs.Event(lambda t, y: t - 0.35, reset=lambda t, y: 2 * y, name="jump")
        watch = fs.Event(lambda t, y, at=0.35 + sign * offset: t - at, name="watch")
        run = fs.solve(lambda t, y: -y, tensor(1.0), t_span=(0, 1), events=[jump, watch], **options)
        assert [len(run.events.times(name)) for name in ("jump", "watch")] == [1, 1]


@each_method
@pytest.mark.parametrize("offset", [1e-11, 1e-10, 1e-9, 1e-8])
def test_turned_round_right_behind_a_watched_line(options: dict[str, Any], offset: float) -> None:
    """A ball falls through a line and bounces just below it: the line is passed twice."""
    line = fs.Event(lambda t, y: y[..., 0], name="line")
    run = fs.solve(fall, tensor(1.0, 0.0), t_span=(0, 0.6), events=[line, impact(0, floor=-offset)], **options)
    assert run.events.direction[: len(run.events)].tolist() == [-1, -1, 1]


@pytest.mark.parametrize("offset", [1e-11, 1e-10, 1e-9])
def test_back_to_zero_right_behind_a_reset(offset: float) -> None:
    """Zero at the start, left, and crossed behind the reset, all in one step: it had left."""
    jump = fs.Event(lambda t, y: t - 0.35, reset=lambda t, y: y + 1, name="jump")
    back = fs.Event(lambda t, y: t * (0.35 + offset - t), name="back")
    run = fs.solve(lambda t, y: 0 * y, tensor(1.0), t_span=(0, 2), events=[jump, back], method="rk4", dt=1.0)
    assert run.events.event.tolist() == [0, 1]


@pytest.mark.parametrize("shift", [0.25, 0.5, 0.75])
def test_round_off_after_a_watched_crossing_is_no_second_one(shift: float) -> None:
    """The condition wavers about zero for a while, as round-off makes it; the reset comes in the middle of that."""
    width = 4e-10

    def waver(t: Tensor, y: Tensor) -> Tensor:
        late = t - 0.35
        return late - width * ((late > width / 8) & (late < width)).to(t)

    watch = fs.Event(waver, name="watch")
    jump = fs.Event(lambda t, y: t - 0.35 - shift * width, reset=lambda t, y: y + 1, name="jump")
    run = fs.solve(lambda t, y: 0 * y, tensor(1.0), t_span=(0, 1), events=[watch, jump], method="rk4", dt=1.0)
    assert [len(run.events.times(name)) for name in ("watch", "jump")] == [1, 1]


def derivatives(value: Tensor, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """Gradient (N,) and Hessian (N, N)."""
    product = torch.stack(inputs).prod()
    gradient = torch.autograd.grad(value + 0 * product**2, inputs, create_graph=True)  # a zero slope has a graph, too
    rows = [torch.stack(torch.autograd.grad(slope, inputs, retain_graph=True)) for slope in gradient]
    return torch.stack(gradient).detach(), torch.stack(rows)


def parameters(*values: float) -> tuple[Tensor, ...]:
    return tuple(torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in values)


EXACT = {"gradient": "direct", "method": "dop853", "rtol": 1e-11, "atol": 1e-13}


def assert_same_derivatives(got: Tensor, expected: Tensor, inputs: tuple[Tensor, ...]) -> None:
    torch.testing.assert_close(got.detach(), expected.detach(), rtol=1e-9, atol=1e-9)
    for ours, exact in zip(derivatives(got, inputs), derivatives(expected, inputs), strict=True):
        torch.testing.assert_close(ours, exact, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("condition", [lambda y: y - 0.5, lambda y: y**2 - 0.25], ids=["straight", "curved"])
@pytest.mark.parametrize("stops", [True, False])
def test_second_derivatives_of_a_time(condition: Callable[[Tensor], Tensor], stops: bool) -> None:
    """y = a exp(-k t) reaches 1/2 at ln(2 a)/k."""
    a, k = inputs = parameters(2.0, 0.6)
    half = fs.Event(lambda t, y: condition(y[..., 0]), terminal=stops, name="half")
    run = fs.solve(lambda t, y: -k * y, a[None], t_span=(0, 4), events=[half], **EXACT)
    assert_same_derivatives(run.events.times("half")[0], torch.log(2 * a) / k, inputs)


def test_second_derivatives_of_states_at_after_and_behind_an_impact() -> None:
    """The height h, velocity v and restitution e of a ball; the time, velocities there, and the state later."""
    h, v, e = inputs = parameters(1.0, 0.5, 0.8)
    hit = fs.Event(
        lambda t, y: y[..., 0], direction="down", name="hit",
        reset=lambda t, y: torch.stack([y[..., 0] + 0.1 * t, -e * y[..., 1]], -1),
    )  # fmt: skip
    run = fs.solve(fall, torch.stack([h, v]), t_span=(0, 0.9), events=[hit], **EXACT)
    speed = torch.sqrt(v**2 + 2 * GRAVITY * h)
    time = (v + speed) / GRAVITY
    before, after = run.events.states("hit")
    assert_same_derivatives(run.events.times("hit")[0], time, inputs)
    assert_same_derivatives(before[0, 1], -speed, inputs)
    assert_same_derivatives(after[0, 0], 0.1 * time + 0 * e, inputs)
    assert_same_derivatives(after[0, 1], e * speed, inputs)
    left = 0.9 - time
    assert_same_derivatives(run.y[-1, 0], 0.1 * time + e * speed * left - GRAVITY * left**2 / 2, inputs)
    assert_same_derivatives(run.y[-1, 1], e * speed - GRAVITY * left, inputs)


def test_second_derivatives_where_the_flow_changes() -> None:
    """With drag, after two impacts: against central differences of first derivatives."""

    def drag(t: Tensor, y: Tensor) -> Tensor:
        return torch.stack([y[..., 1], -GRAVITY * torch.cos(t) - 0.3 * y[..., 1] ** 2 * y[..., 1].sign()], -1)

    def height(start: Tensor) -> Tensor:
        hits = impact(0, direction="down")
        run = fs.solve(drag, torch.stack([start, 0 * start]), t_span=(0, 1.6), events=[hits], **EXACT)
        assert len(run.events) == 2
        return run.y[-1, 0]

    def slope(at: float) -> Tensor:
        (start,) = parameters(at)
        return torch.autograd.grad(height(start), start)[0]

    (start,) = parameters(1.0)
    _, second = derivatives(height(start), (start,))
    difference = (slope(1.0 + 1e-4) - slope(1.0 - 1e-4)) / 2e-4
    torch.testing.assert_close(second.squeeze(), difference, rtol=1e-5, atol=1e-7)
