"""Events: times and states of closed form, and gradients of both; `odeint` with event_fn and `odeint_event`."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torchdiffeq
from torch import Tensor

import fieldsolver as fs
from fieldsolver.compat import OdeintFailed
from fieldsolver.errors import OptionError

F64 = torch.float64
GRAVITY = 9.8


def ball(t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    _, velocity = state
    return velocity, torch.full_like(velocity, -GRAVITY)


def height(t: Tensor, state: tuple[Tensor, Tensor]) -> Tensor:
    return state[0]


def falling(h: float = 10.0, v: float = 1.0) -> tuple[Tensor, Tensor]:
    return torch.tensor([h], dtype=F64), torch.tensor([v], dtype=F64)


IMPACT = (1.0 + math.sqrt(1.0 + 2.0 * GRAVITY * 10.0)) / GRAVITY
START = torch.tensor(0.25, dtype=F64)


def through(odeint: Callable[..., Any], state: Any) -> dict[str, Any]:
    """The interface's arguments; the adjoint of a plain function needs its parameters."""
    return {"odeint_interface": odeint} | ({"adjoint_params": ()} if "adjoint" in odeint.__name__ else {})


@pytest.mark.parametrize("interface", [fs.odeint, fs.odeint_adjoint])
@pytest.mark.parametrize("method", ["dopri5", "dopri8", "bosh3", None])
def test_time_and_state_of_the_impact(method: str | None, interface: Callable[..., Any]) -> None:
    event_t, (heights, velocities) = fs.odeint_event(
        ball, falling(), START, event_fn=height, method=method, **through(interface, None)
    )
    assert event_t.shape == ()
    assert event_t.dtype == F64
    assert heights.shape == velocities.shape == (2, 1)
    assert abs(event_t.item() - 0.25 - IMPACT) < 1e-10
    assert abs(heights[1].item()) < 1e-9
    assert abs(velocities[1].item() - 1.0 + GRAVITY * IMPACT) < 1e-9
    assert heights[0].item() == 10.0


def test_backward_in_time() -> None:
    event_t, (heights, _) = fs.odeint_event(ball, falling(), START, event_fn=height, reverse_time=True)
    expected = 0.25 + (1.0 - math.sqrt(1.0 + 2.0 * GRAVITY * 10.0)) / GRAVITY
    assert abs(event_t.item() - expected) < 1e-10
    assert abs(heights[1].item()) < 1e-9


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("interp", ["linear", "cubic"])
@pytest.mark.parametrize("method", ["euler", "rk4", "implicit_adams"])
def test_steps_of_one_size_find_the_event_of_torchdiffeq(method: str, interp: str, reverse: bool) -> None:
    """In the same straight line or cubic, so to torchdiffeq's accuracy of 1e-9 although the line is 1e-3 off."""
    options = {"step_size": 0.05, "interp": interp}
    results = [
        package.odeint_event(
            ball, falling(), START, event_fn=height, reverse_time=reverse, method=method, options=options
        )
        for package in (fs, torchdiffeq)
    ]
    (t, state), (their_t, their_state) = results
    assert abs(t.item() - their_t.item()) < 2e-9
    for ours, theirs in zip(state, their_state, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0.0, atol=3e-8)


def test_odeint_returns_the_event_without_its_gradient() -> None:
    t = torch.tensor([0.0, 1.0], dtype=F64)
    event_t, (heights, _) = fs.odeint(ball, falling(), t, event_fn=height)
    their_t, (their_heights, _) = torchdiffeq.odeint(ball, falling(), t, event_fn=height)
    assert abs(event_t.item() - their_t.item()) < 1e-9
    torch.testing.assert_close(heights, their_heights, rtol=0.0, atol=1e-8)
    assert not event_t.requires_grad


def test_the_first_of_several_conditions() -> None:
    """A box: the event is the first wall, whatever the signs of the conditions."""

    def walls(t: Tensor, y: Tensor) -> Tensor:
        return torch.stack([y[0] - 2.0, y[1] + 1.0, 5.0 - t])

    velocity = torch.tensor([1.0, -0.7], dtype=F64)
    for odeint_event in (fs.odeint_event, torchdiffeq.odeint_event):
        event_t, y = odeint_event(lambda t, y: velocity, torch.zeros(2, dtype=F64), START * 0, event_fn=walls)
        assert abs(event_t.item() - 1.0 / 0.7) < 1e-8
        assert abs(y[1, 1].item() + 1.0) < 1e-8


def test_a_condition_that_is_zero_at_the_start() -> None:
    """Is the event, as in torchdiffeq."""
    t = torch.tensor([0.5, 1.0], dtype=F64)
    for package in (fs, torchdiffeq):
        event_t, (heights, _) = package.odeint(ball, falling(h=0.0), t, event_fn=height)
        assert event_t.item() == 0.5
        assert heights.tolist() == [[0.0], [0.0]]


def test_a_crossing_and_return_inside_one_step_is_seen() -> None:
    """The ball dips below the floor between two steps of 1; only the ends of the steps show nothing."""
    event_t, _ = fs.odeint_event(
        lambda t, y: torch.cos(t)[None], torch.zeros(1, dtype=F64) + 0.6, START * 0,
        event_fn=lambda t, y: 1.55 - y, method="rk4", options={"step_size": 1.0, "interp": "cubic"},
    )  # fmt: skip
    assert 1.0 < event_t.item() < 1.57


def test_single_precision() -> None:
    state = tuple(part.float() for part in falling())
    event_t, (heights, _) = fs.odeint_event(ball, state, torch.tensor(0.0), event_fn=height, rtol=1e-5, atol=1e-5)
    assert event_t.dtype == heights.dtype == torch.float32
    assert abs(event_t.item() - IMPACT) < 1e-5
    assert abs(heights[1].item()) < 1e-4


def test_no_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fieldsolver.compat.event_location.GRID_STEPS", 200)
    t = torch.tensor([0.0, 1.0], dtype=F64)
    still = torch.ones(1, dtype=F64)
    with pytest.raises(OdeintFailed, match="no event"):
        fs.odeint(lambda t, y: 0.0 * y, still, t, event_fn=lambda t, y: y)
    with pytest.raises(RuntimeError, match="no event"):
        fs.odeint(lambda t, y: 0.0 * y, still, t, event_fn=lambda t, y: y, method="euler", options={"step_size": 0.1})
    with pytest.raises(AssertionError, match="max_num_steps exceeded"):
        fs.odeint(lambda t, y: -y, still, t, event_fn=lambda t, y: y, options={"max_num_steps": 50})


def test_wrong_arguments() -> None:
    t, y0 = torch.tensor([0.0, 1.0], dtype=F64), torch.ones(1, dtype=F64)
    with pytest.raises(ValueError, match=r"len\(t\) == 2"):
        fs.odeint(lambda t, y: -y, y0, torch.tensor([0.0, 1.0, 2.0]), event_fn=lambda t, y: y)
    with pytest.raises(AssertionError, match="step_size"):
        fs.odeint(lambda t, y: -y, y0, t, event_fn=lambda t, y: y - 0.5, method="rk4")
    with pytest.raises(OptionError, match="scipy_solver"):
        fs.odeint(lambda t, y: -y, y0, t, event_fn=lambda t, y: y - 0.5, method="scipy_solver")


# ---------------------------------------------------------------------- gradients


def closed_form(h: Tensor, v: Tensor, g: Tensor, floor: Tensor) -> tuple[Tensor, Tensor]:
    """Time and velocity of the impact."""
    speed = torch.sqrt(v**2 + 2.0 * g * (h - floor))
    return (v + speed) / g, -speed


@pytest.mark.parametrize("interface", [fs.odeint, fs.odeint_adjoint])
@pytest.mark.parametrize("options", [{}, {"method": "rk4", "options": {"step_size": 0.1, "interp": "cubic"}}], ids=str)
def test_gradients_of_time_and_state(interface: Callable[..., Any], options: dict[str, Any]) -> None:
    """With respect to the state, to f's parameter, to that of the condition, and to the initial time."""
    h, v, g, floor, t0 = (torch.tensor(x, dtype=F64, requires_grad=True) for x in (10.0, 1.0, 9.8, 0.5, 0.3))

    def f(t: Tensor, y: Tensor) -> Tensor:
        return torch.stack([y[1], -g])

    extra = {"adjoint_params": (g,)} if interface is fs.odeint_adjoint else {}
    event_t, y = fs.odeint_event(
        f, torch.stack([h, v]), t0, event_fn=lambda t, y: y[0] - floor, odeint_interface=interface, **options, **extra
    )
    duration, velocity = closed_form(h, v, g, floor)
    wanted = (h, v, g, floor)
    for ours, exact in ((event_t, duration), (y[1, 1], velocity)):
        found = torch.autograd.grad(ours, (*wanted, t0), retain_graph=True)
        expected = torch.autograd.grad(exact, wanted, retain_graph=True, allow_unused=True)
        for one, other in zip(found, expected, strict=False):
            torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-9)
        assert abs(found[-1].item() - (ours is event_t)) < 1e-9  # later start, later event; the velocity is the same
    (position,) = torch.autograd.grad(y[1, 0], h, retain_graph=True)
    assert abs(position.item()) < 1e-9  # the height at the impact is that of the floor, whatever h is


@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_agree_with_torchdiffeq(reverse: bool) -> None:
    def run(odeint_event: Callable[..., Any]) -> list[Tensor]:
        scale = torch.tensor(1.3, dtype=F64, requires_grad=True)
        y0 = (
            torch.tensor([0.4, -0.2], dtype=F64, requires_grad=True),
            torch.tensor(0.1, dtype=F64, requires_grad=True),
        )
        t0 = torch.tensor(0.2, dtype=F64, requires_grad=True)

        def f(t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            y, _ = state
            return torch.stack([y[1], -scale * torch.sin(y[0])]) + 0.1 * t, y.pow(2).sum()

        event_t, (y, q) = odeint_event(
            f, y0, t0, event_fn=lambda t, s: s[0][0] + 0.1 * t - 0.3 * s[1] - 0.05, reverse_time=reverse, rtol=1e-10,
            atol=1e-11,
        )  # fmt: skip
        return list(torch.autograd.grad(event_t**2 + y[-1].sum() + q[-1], (scale, *y0, t0)))

    for ours, theirs in zip(run(fs.odeint_event), run(torchdiffeq.odeint_event), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)


def test_our_event_through_another_interface() -> None:
    """`odeint_interface` may be anything with the arguments of odeint."""
    loose = partial(fs.odeint, rtol=1e-4, atol=1e-6)
    event_t, _ = fs.odeint_event(ball, falling(), START, event_fn=height, odeint_interface=loose)
    theirs, _ = fs.odeint_event(ball, falling(), START, event_fn=height, odeint_interface=torchdiffeq.odeint)
    assert abs(event_t.item() - theirs.item()) < 1e-4


def test_a_bouncing_ball_and_the_gradient_of_its_tenth_impact() -> None:
    """With restitution e the n-th impact is at t_1 + 2 v_1 (e + ... + e^(n-1)) / g, v_1 being the first speed."""
    e = torch.tensor(0.9, dtype=F64, requires_grad=True)
    position, velocity = falling()
    t = torch.tensor(0.0, dtype=F64)
    for _ in range(10):
        t, (positions, velocities) = fs.odeint_event(ball, (position, velocity), t, event_fn=height)
        velocity = -e * velocities[-1]
        position = positions[-1].detach().abs() + 1e-9  # off the floor, as torchdiffeq's users push it
    speed = math.sqrt(1.0 + 2.0 * GRAVITY * 10.0)
    powers = torch.arange(1, 10, dtype=F64)
    expected = IMPACT + 2.0 * speed * (e.detach() ** powers).sum() / GRAVITY
    derivative = 2.0 * speed * (powers * e.detach() ** (powers - 1)).sum() / GRAVITY
    assert abs(t.item() - expected.item()) < 1e-6
    (found,) = torch.autograd.grad(t, e)
    torch.testing.assert_close(found, derivative, rtol=1e-6, atol=0.0)
