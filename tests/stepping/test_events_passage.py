"""Derivatives through events, against closed forms: impact times, states at and after impacts, moving thresholds."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from fieldsolver.methods import get_method
from fieldsolver.stepping import VectorField
from fieldsolver.stepping.events import (
    EventDetector,
    EventFunction,
    Landing,
    differentiable_time,
    pass_events,
)
from fieldsolver.stepping.events.passage import condition_rate
from fieldsolver.stepping.events.sampling import StepSampler

METHOD = get_method("tsit5")  # exact for the parabolas below


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def flight(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
    """y = (height, velocity); p = (gravity (B,), ...)."""
    return torch.stack([y[:, 1], -p[0]], dim=1)


def height(p: object, t: Tensor, y: Tensor) -> Tensor:
    return y[:, 0]


def bounce(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
    return torch.stack([y[:, 0], -p[1] * y[:, 1]], dim=1)


def step(field: VectorField, y: Tensor, t: np.ndarray, dt: np.ndarray, offset: Tensor | float = 0.0) -> SimpleNamespace:
    """One accepted step from (t, y), without control; it starts `offset` later and ends where it does."""
    taken = METHOD.step(field, torch.from_numpy(t) + offset, torch.from_numpy(dt) - offset, y)
    return SimpleNamespace(
        rows=np.arange(t.size), t=t, t_new=t + dt, dt=dt, accepted=np.ones(t.size, bool), step=taken, field=field
    )


def first_event(field: VectorField, y: Tensor, dt: float, *events: EventFunction) -> tuple[EventDetector, Landing]:
    n = y.shape[0]
    detector = EventDetector(events, METHOD, samples=n, span=dt)
    detector.start(field, np.zeros(n), y.detach())
    stretch = step(field, y, np.zeros(n), np.full(n, dt))
    stops, _ = detector.examine(stretch)
    assert stops is not None
    return detector, detector.apply(stretch, stops)


def time_of(landing: Landing) -> Tensor:
    """(m,) when, with derivatives."""
    return torch.from_numpy(landing.t) + (0.0 if landing.offset is None else landing.offset)


def balls() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Heights, velocities, gravities and restitutions of three balls, to be differentiated by."""
    given = (tensor(1.0, 2.0, 0.5), tensor(0.0, 1.0, -2.0), tensor(9.81, 1.62, 10.0), tensor(0.5, 0.8, 0.9))
    return tuple(values.requires_grad_(True) for values in given)


def impact_time(h: Tensor, v: Tensor, g: Tensor) -> Tensor:
    """h + v t - g t^2/2 = 0."""
    return (v + torch.sqrt(v**2 + 2 * g * h)) / g


def assert_same_derivatives(got: Tensor, expected: Tensor, inputs: tuple[Tensor, ...]) -> None:
    weights = torch.linspace(0.7, 1.3, got.numel(), dtype=torch.float64).reshape(got.shape)
    torch.testing.assert_close(got.detach(), expected.detach(), rtol=1e-11, atol=1e-11)
    for a, b in zip(
        torch.autograd.grad((weights * got).sum(), inputs, retain_graph=True, materialize_grads=True),
        torch.autograd.grad((weights * expected).sum(), inputs, retain_graph=True, materialize_grads=True),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_the_formula() -> None:
    """t - g/(dg/dt) with the number t kept: y = v t meets the wall w at w/v."""
    w, v = tensor(2.0).requires_grad_(True), tensor(4.0).requires_grad_(True)
    t = tensor(0.5)
    time = differentiable_time(t, v * t - w + 1e-15, v)
    assert torch.equal(time, t)
    by_w, by_v = torch.autograd.grad(time, (w, v))
    torch.testing.assert_close(by_w, 1 / v.detach())
    torch.testing.assert_close(by_v, (-w / v**2).detach())


@pytest.mark.parametrize("terminal", [True, False])
def test_impact_of_a_falling_ball(terminal: bool) -> None:
    """Time, velocity before, and velocity after the impact, by height, velocity, gravity and restitution."""
    h, v, g, e = inputs = balls()
    field = VectorField(flight, (g, e), (True, True))
    hit = EventFunction("impact", height, -1, terminal=terminal, reset=bounce)
    detector, landing = first_event(field, torch.stack([h, v], dim=1), 10.0, hit)
    time, speed = impact_time(h, v, g), torch.sqrt(v**2 + 2 * g * h)
    assert_same_derivatives(time_of(landing), time, inputs)
    assert_same_derivatives(landing.y, torch.stack([0 * h, e * speed], dim=1), inputs)
    log = detector.log()
    assert_same_derivatives(log.t, time, inputs)
    assert_same_derivatives(log.y_before, torch.stack([0 * h, -speed], dim=1), inputs)
    assert_same_derivatives(log.y_after, torch.stack([0 * h, e * speed], dim=1), inputs)


def test_flight_after_the_impact() -> None:
    """The state a fixed time after the located impact depends on when the impact was: the saltation matrix."""
    h, v, g, e = inputs = balls()
    field = VectorField(flight, (g, e), (True, True))
    _, landing = first_event(field, torch.stack([h, v], dim=1), 10.0, EventFunction("impact", height, -1, reset=bounce))
    assert landing.offset is not None
    after = step(field, landing.y, landing.t, np.full(3, 0.2), landing.offset).step.y_new
    rest = torch.from_numpy(landing.t) + 0.2 - impact_time(h, v, g)
    speed = e * torch.sqrt(v**2 + 2 * g * h)
    assert_same_derivatives(after, torch.stack([speed * rest - g * rest**2 / 2, speed - g * rest], dim=1), inputs)


def test_without_a_graph_the_numbers_are_the_same() -> None:
    h, v, g, e = balls()
    hit = EventFunction("impact", height, -1, reset=bounce)
    field = VectorField(flight, (g, e), (True, True))
    _, with_graph = first_event(field, torch.stack([h, v], dim=1), 10.0, hit)
    with torch.no_grad():
        _, without = first_event(field, torch.stack([h, v], dim=1), 10.0, hit)
    assert not without.y.requires_grad
    assert torch.equal(with_graph.y, without.y)
    assert torch.equal(time_of(with_graph), time_of(without))


def test_a_threshold_that_moves_and_is_learned() -> None:
    """y = a t meets c + s t at c / (a - s): the condition depends on t and on parameters of its own."""
    a, c, s = (tensor(*values).requires_grad_(True) for values in ((2.0, 3.0), (1.0, 0.5), (0.5, 1.0)))
    field = VectorField(lambda p, t, y: p[0][:, None].expand_as(y), (a, c, s), (True, True, True))
    meet = EventFunction("meet", lambda p, t, y: y[:, 0] - p[1] - p[2] * t, 1, reset=lambda p, t, y: y * t[:, None])
    _, landing = first_event(field, torch.zeros(2, 1, dtype=torch.float64), 1.0, meet)
    time = c / (a - s)
    assert landing.offset is not None
    assert_same_derivatives(time_of(landing), time, (a, c, s))
    after = step(field, landing.y, landing.t, np.full(2, 0.5), landing.offset).step.y_new[:, 0]
    left = torch.from_numpy(landing.t) + 0.5 - time
    assert_same_derivatives(after, a * time * time + a * left, (a, c, s))


def test_watched_events_have_derivatives_too() -> None:
    """Both zeros of h + v t - g t^2/2 = 1/4 in one step, without any effect on the step."""
    h, v, g = (tensor(x).requires_grad_(True) for x in (0.0, 5.0, 10.0))
    watch = EventFunction("watch", lambda p, t, y: y[:, 0] - 0.25)
    field = VectorField(flight, (g,), (True,))
    y = torch.stack([h, v], dim=1)
    detector = EventDetector([watch], METHOD, samples=1, span=2.0)
    detector.start(field, np.zeros(1), y.detach())
    assert detector.examine(step(field, y, np.zeros(1), np.full(1, 2.0)))[0] is None
    root = torch.sqrt(v**2 + 2 * g * (h - 0.25))
    assert_same_derivatives(detector.log().t, torch.cat([(v - root) / g, (v + root) / g]), (h, v, g))
    assert_same_derivatives(detector.log().y_before[:, 1], torch.cat([root, -root]), (h, v, g))


def test_rates_of_conditions() -> None:
    """dg/dt along the solution, by hand, for a real and for a complex state; zero for a condition that is constant."""
    t, y = tensor(0.3, 0.4), torch.tensor([[1.0 + 2.0j], [0.5 - 1.0j]], dtype=torch.complex128)
    turn = VectorField(lambda p, t, y: 1j * y, per_sample=())
    square = EventFunction("square", lambda p, t, y: y[:, 0].real ** 2 * t)
    expected = y[:, 0].real ** 2 + t * 2 * y[:, 0].real * -y[:, 0].imag
    still = EventFunction("still", lambda p, t, y: torch.ones_like(t))
    sampler = StepSampler([square, still], METHOD, step(turn, y, t.numpy(), np.full(2, 0.1)))
    where = (np.arange(2), np.zeros(2), t)  # the dense output starts with the slope f
    torch.testing.assert_close(condition_rate(sampler, square, *where), expected)
    assert torch.equal(condition_rate(sampler, still, *where), torch.zeros_like(t))


def test_replays_pass_the_same_events() -> None:
    """What was recorded, applied again by the pure function: the same states and derivatives."""
    h, v, g, e = inputs = balls()
    field = VectorField(flight, (g, e), (True, True))
    hit = EventFunction("impact", height, -1, reset=bounce)
    y0 = torch.stack([h, v], dim=1)
    _, landing = first_event(field, y0, 10.0, hit)
    sampler = StepSampler([hit], METHOD, step(field, y0, np.zeros(3), np.full(3, 10.0)))
    passed = pass_events([hit], sampler, landing.places, landing.theta, landing.t, landing.direction != 0)
    assert_same_derivatives(passed.y, landing.y, inputs)
    assert_same_derivatives(passed.t, time_of(landing), inputs)
    assert not passed.terminal.any()
