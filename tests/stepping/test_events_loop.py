"""Events in the loop: closed forms, replays, dense output, compaction, jumps of f, statuses, both arithmetics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods import get_method
from fieldsolver.stepping import Status, Trajectory, VectorField, integrate, tensor_ops
from fieldsolver.stepping.events import EventFunction

TSIT5 = get_method("tsit5")
G = 10.0


def ball(t: Tensor, y: Tensor) -> Tensor:
    return torch.stack([y[:, 1], torch.full_like(y[:, 1], -G)], dim=1)


def height(p: object, t: Tensor, y: Tensor) -> Tensor:
    return y[:, 0]


def impact(restitution: float = 0.8, **options: Any) -> EventFunction:
    def bounce(p: object, t: Tensor, y: Tensor) -> Tensor:
        return torch.stack([y[:, 0], -restitution * y[:, 1]], dim=1)

    return EventFunction("impact", height, -1, reset=bounce, **options)


def apex(**options: Any) -> EventFunction:
    return EventFunction("apex", lambda p, t, y: y[:, 1], -1, **options)


def field(function: Callable[[Tensor, Tensor], Tensor]) -> VectorField:
    return VectorField(lambda p, t, y: function(t, y), (), ())


def drop(heights: np.ndarray) -> Tensor:
    h = torch.from_numpy(np.asarray(heights, dtype=float))
    return torch.stack([h, torch.zeros_like(h)], dim=1)


def impacts(h: np.ndarray, e: float, number: int) -> np.ndarray:
    """(number, B): t_1 = sqrt(2 h/g), then flights of 2 e^k sqrt(2 h/g)."""
    return np.sqrt(2 * h / G) * (1 + 2 * np.concatenate([[0.0], np.cumsum(e ** np.arange(1, number))])[:, None])


def position(h: float, e: float, t: float) -> float:
    """Height of the bouncing ball at t."""
    times = impacts(np.array([h]), e, 60)[:, 0]
    k = int((times <= t).sum())
    if k == 0:
        return h - G * t**2 / 2
    speed, flown = e**k * np.sqrt(2 * G * h), t - times[k - 1]
    return speed * flown - G * flown**2 / 2


CONTROLS = [
    pytest.param({"rtol": 1e-8, "atol": 1e-8}, id="adaptive"),
    pytest.param({"dt": 0.03}, id="small fixed steps"),
    pytest.param({"dt": 0.9}, id="large fixed steps"),
    pytest.param({"step_times": torch.tensor([0.0, 0.5, 1.3, 1.4, 3.0])}, id="given steps"),
]


@pytest.mark.parametrize("options", CONTROLS)
def test_a_thousand_bouncing_balls(options: dict[str, Any]) -> None:
    heights = np.linspace(1.0, 5.0, 1000)
    found = integrate(field(ball), TSIT5, drop(heights), 0.0, 3.0, events=[impact(), apex()], **options)
    assert (found.status == Status.SUCCESS).all()
    assert found.events is not None
    times = impacts(heights, 0.8, 40)
    for sample in (0, 123, 500, 999):
        expected = times[times[:, sample] < 3.0, sample]
        np.testing.assert_allclose(found.events.times("impact", sample).numpy(), expected, rtol=0, atol=1e-10)
        tops = (expected[:-1] + expected[1:]) / 2
        got = found.events.times("apex", sample).numpy()
        np.testing.assert_allclose(got[: tops.size], tops, rtol=0, atol=1e-10)
        end = position(heights[sample], 0.8, 3.0)
        np.testing.assert_allclose(found.y_end[sample, 0].item(), end, rtol=0, atol=1e-9)


@pytest.mark.parametrize("options", CONTROLS[:3])
def test_save_points_and_dense_output_between_bounces(options: dict[str, Any]) -> None:
    times = torch.linspace(0.0, 3.0, 61, dtype=torch.float64)
    found = integrate(
        field(ball),
        TSIT5,
        drop(np.array([1.0, 2.0])),
        0.0,
        3.0,
        events=[impact()],
        save_at=times,
        dense=True,
        **options,
    )
    expected = np.array([[position(h, 0.8, t) for h in (1.0, 2.0)] for t in times.tolist()])
    np.testing.assert_allclose(found.saved[..., 0].numpy(), expected, rtol=0, atol=1e-9)
    assert found.dense is not None
    torch.testing.assert_close(found.dense(times), found.saved, rtol=0, atol=1e-12)
    assert found.events is not None
    at_impact = found.dense(found.events.times("impact", 0)[0])[0]  # the state before the reset
    np.testing.assert_allclose(at_impact.numpy(), [0.0, -((2 * G) ** 0.5)], atol=1e-9)


@pytest.mark.parametrize("options", CONTROLS)
def test_replays_repeat_events(options: dict[str, Any]) -> None:
    events = [impact(0.8), apex(), EventFunction("late", lambda p, t, y: t - 2.5 + y[:, 0] / 10, 1, terminal=True)]
    times = torch.linspace(0.0, 3.0, 17, dtype=torch.float64)
    first = integrate(
        field(ball), TSIT5, drop(np.linspace(0.8, 4.0, 7)), 0.0, 3.0, events=events, save_at=times, **options
    )
    again = integrate(
        field(ball), TSIT5, drop(np.linspace(0.8, 4.0, 7)), 0.0, 3.0, events=events, save_at=times, replay=first.steps
    )
    assert (first.status == Status.EVENT).all()
    for name in ("saved", "y_end", "t_end", "status"):
        torch.testing.assert_close(getattr(again, name), getattr(first, name), rtol=0, atol=1e-12, equal_nan=True)
    assert first.events is not None
    assert again.events is not None
    assert len(first.events) > 20
    for name in ("sample", "event", "direction"):
        assert (getattr(first.events, name) == getattr(again.events, name)).all()
    for name in ("t", "y_before", "y_after"):
        torch.testing.assert_close(getattr(again.events, name), getattr(first.events, name), rtol=0, atol=1e-12)


def test_a_replay_with_other_events_is_refused() -> None:
    log = integrate(field(ball), TSIT5, drop(np.ones(1)), 0.0, 1.0, events=[impact()]).steps
    with pytest.raises(OptionError, match="events of another run, with 1 conditions instead of 2"):
        integrate(field(ball), TSIT5, drop(np.ones(1)), 0.0, 1.0, events=[impact(), apex()], replay=log)


def test_terminal_events_end_samples_and_leave_the_others() -> None:
    """Compaction takes most of the balls out; the last ones go on as if alone."""
    heights = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 20.0, 30.0])
    ground = EventFunction("ground", height, -1, terminal=True)
    found = integrate(
        field(ball), TSIT5, drop(heights), 0.0, 5.0, events=[ground, apex()], save_at=torch.tensor([0.0, 5.0])
    )
    np.testing.assert_allclose(found.t_end.numpy(), np.sqrt(2 * heights / G), rtol=1e-12)
    assert (found.status == Status.EVENT).all()
    assert found.saved[1].isnan().all()
    np.testing.assert_allclose(found.y_end[:, 1].numpy(), -np.sqrt(2 * G * heights), rtol=1e-10)
    alone = integrate(field(ball), TSIT5, drop(heights[6:]), 0.0, 5.0, events=[ground])
    torch.testing.assert_close(found.y_end[6:], alone.y_end, rtol=1e-12, atol=1e-12)


def test_zeno() -> None:
    found = integrate(field(ball), TSIT5, drop(np.array([1.0, 0.2])), 0.0, 10.0, events=[impact(0.5)])
    assert (found.status == Status.ZENO).all()
    np.testing.assert_allclose(found.t_end.numpy(), 3 * np.sqrt(2 * np.array([1.0, 0.2]) / G), rtol=1e-7)
    assert "bouncing ball" in Status.ZENO.sentence


def test_a_reset_to_nan_ends_the_sample() -> None:
    broken = EventFunction("broken", height, -1, reset=lambda p, t, y: y / 0.0 * 0.0)
    found = integrate(field(ball), TSIT5, drop(np.ones(1)), 0.0, 3.0, events=[broken])
    assert found.status.tolist() == [Status.NON_FINITE]


def test_backward_in_time() -> None:
    """Backward, the ball at (0, -v) rises to its apex: the condition is seen as the integration proceeds."""
    start = torch.tensor([[0.5, -3.0]], dtype=torch.float64)
    found = integrate(field(ball), TSIT5, start, 0.0, -1.0, events=[EventFunction("apex", lambda p, t, y: y[:, 1], 1)])
    assert found.events is not None
    np.testing.assert_allclose(found.events.t.numpy(), [-0.3], rtol=1e-12)


def forced(t: Tensor, y: Tensor) -> Tensor:
    """y' = 1 before t = 1, -2 after it."""
    return torch.where(t < 1.0, 1.0, -2.0).to(y)[:, None].expand_as(y)


def test_events_before_on_and_behind_a_jump() -> None:
    watch = [EventFunction(f"at {c}", lambda p, t, y, c=c: y[:, 0] - c) for c in (0.5, 0.2)]
    for options in ({}, {"rtol": 1e-3}):
        found = integrate(
            field(forced), TSIT5, torch.zeros(1, 1, dtype=torch.float64), 0.0, 1.5, events=watch,
            restart_at=torch.tensor([1.0]), **options,
        )  # fmt: skip
        assert found.events is not None
        np.testing.assert_allclose(found.events.t.numpy(), [0.2, 0.5, 1.25, 1.4], atol=1e-12)
        assert abs(found.y_end.item()) < 1e-12
        again = integrate(
            field(forced), TSIT5, torch.zeros(1, 1, dtype=torch.float64), 0.0, 1.5, events=watch, replay=found.steps
        )
        assert torch.equal(again.y_end, found.y_end)
        assert torch.equal(again.events.t, found.events.t)


def test_jumps_alone_are_replayed() -> None:
    options = {"restart_at": torch.tensor([1.0])}
    start = torch.zeros(2, 1, dtype=torch.float64)
    found = integrate(field(forced), TSIT5, start, 0.0, 1.5, **options)
    again = integrate(field(forced), TSIT5, start, 0.0, 1.5, replay=found.steps)
    assert torch.equal(again.y_end, found.y_end)
    assert torch.equal(again.status, found.status)


def test_save_points_on_events_and_steps_counted() -> None:
    """A save point right at an event holds the state before the reset; each cut step is one accepted step."""
    clock = EventFunction("tick", lambda p, t, y: t - 1.0, 1, reset=lambda p, t, y: y + 10.0)
    times = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64)
    found = integrate(
        field(lambda t, y: torch.ones_like(y)), TSIT5, torch.zeros(1, 1, dtype=torch.float64), 0.0, 2.0, events=[clock],
        save_at=times, dt=0.8,
    )  # fmt: skip
    np.testing.assert_allclose(found.saved[:, 0, 0].numpy(), [0.0, 1.0, 12.0], rtol=1e-11)
    assert found.stats.accepted.item() == 4  # to 0.8, to the event, to 1.6, to 2
    assert found.stats.nfev.item() == 1 + 6 * 4 + 1  # the first stage, and again after the reset


def same(one: Trajectory, other: Trajectory) -> None:
    torch.testing.assert_close(one.y_end, other.y_end, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(one.t_end, other.t_end, rtol=1e-12, atol=1e-12)
    assert torch.equal(one.status, other.status)
    assert one.events is not None
    assert other.events is not None
    torch.testing.assert_close(one.events.t, other.events.t, rtol=0, atol=1e-10)


@pytest.mark.parametrize("options", CONTROLS)
def test_the_arithmetic_of_a_device(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    """Control arrays as tensors, and chunks of attempts: the same as on the host."""
    events = [impact(), apex(), EventFunction("late", lambda p, t, y: t - 2.5 + y[:, 0] / 10, 1, terminal=True)]
    host = integrate(field(ball), TSIT5, drop(np.linspace(0.8, 4.0, 7)), 0.0, 3.0, events=events, **options)
    for module in ("loop", "arithmetic"):
        monkeypatch.setattr(f"fieldsolver.stepping.{module}.arithmetic_on", lambda device: tensor_ops)
    device = integrate(field(ball), TSIT5, drop(np.linspace(0.8, 4.0, 7)), 0.0, 3.0, events=events, **options)
    same(host, device)
    again = integrate(field(ball), TSIT5, drop(np.linspace(0.8, 4.0, 7)), 0.0, 3.0, events=events, replay=device.steps)
    same(device, again)


@pytest.mark.parametrize("method", ["bosh3", "dop853", "vern7", "rk4", "ab2", "ab3", "ab4", "abm"])
def test_methods_of_every_kind(method: str) -> None:
    """FSAL or not, extra stages for the interpolant or not, with a past or without."""
    scheme = get_method(method)
    options = {"dt": 0.01} if scheme.error_order is None else {"rtol": 1e-8, "atol": 1e-8}
    found = integrate(field(ball), scheme, drop(np.array([1.0, 2.0])), 0.0, 2.0, events=[impact()], **options)
    assert (found.status == Status.SUCCESS).all()
    assert found.events is not None
    for sample, h in enumerate((1.0, 2.0)):
        times = impacts(np.array([h]), 0.8, 20)[:, 0]
        got = found.events.times("impact", sample).numpy()
        np.testing.assert_allclose(got, times[times < 2.0], rtol=0, atol=1e-6)
