"""Faults of events that a user has found: each stays mended."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import fieldsolver as fs
from fieldsolver.errors import EquationTypeError, FieldSolverWarning, FileFormatError, OptionError, StateError

START = torch.tensor([1.0, 0.7], dtype=torch.float64)


def decay(t: Tensor, y: Tensor) -> Tensor:
    return -y


def driven(t: Tensor, y: Tensor, level: Tensor) -> Tensor:
    """Towards `level`, and towards twice as much from t = 5 on."""
    return level * torch.where(t < 5.0, 1.0, 2.0) - y


def spike(threshold: float = 0.8) -> fs.Event:
    return fs.Event(lambda t, y: y[0] - threshold, direction="up", reset=lambda t, y: 0 * y, name="spike")


@pytest.mark.parametrize("gradient", ["direct", "checkpointed", "none"])
def test_a_jump_and_an_event_in_one_solve(gradient: str) -> None:
    """Spikes every log(5) before t = 5, then every log(2/1.2); with the derivative of the first ones, by the level."""

    def solved(level: Tensor, **options: Any) -> fs.Solution:
        return fs.solve(
            driven, torch.zeros(1, dtype=torch.float64), t_span=(0, 6.7), args=(level,), events=[spike()],
            gradient=gradient, rtol=1e-10, atol=1e-12, **options,
        )  # fmt: skip

    level = torch.tensor(1.0, dtype=torch.float64, requires_grad=gradient != "none")
    first = solved(level, restart_at=[5.0])
    assert first.events is not None
    times = first.events.times("spike")
    early, later = math.log(5.0), math.log(2.0 / 1.2)
    before = 1.0 - math.exp(3 * early - 5.0)
    resumed = 5.0 + math.log((2.0 - before) / 1.2)
    exact = [early, 2 * early, 3 * early, resumed, resumed + later, resumed + 2 * later]
    np.testing.assert_allclose(times.detach().numpy(), exact, rtol=1e-8)
    again = solved(level, replay=first.steps)
    assert again.events is not None
    torch.testing.assert_close(again.events.t, first.events.t, rtol=1e-10, atol=0.0)
    if gradient != "none":
        for log in (first.events, again.events):
            (slope,) = torch.autograd.grad(log.times("spike")[2], level)
            assert slope.item() == pytest.approx(3 * -0.8 / 0.2, rel=1e-7)  # d log(a/(a - 0.8)) / da at a = 1


def passing(**options: Any) -> fs.Event:
    return fs.Event(lambda t, y: y[..., 0] - 0.5, name="half", **options)


KINDS: list[dict[str, Any]] = [{}, {"terminal": True}, {"reset": lambda t, y: y + 0.2}]


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("dt", [None, 0.1])
def test_a_replay_refuses_events_that_have_moved(options: dict[str, Any], dt: float | None) -> None:
    event, start = passing(**options), torch.stack([START, START / 2 + 0.4])

    def solved(rate: float, **how: Any) -> fs.Solution:
        return fs.solve(
            lambda t, y: -rate * y, start, t_span=(0, 2), batch_dims=1, events=[event], check="off", **how
        )  # fmt: skip

    first = solved(1.0, dt=dt)
    same = solved(1.0, replay=first.steps)
    assert first.events is not None
    assert same.events is not None
    torch.testing.assert_close(same.events.t, first.events.t, rtol=0.0, atol=0.0)
    solved(1.0 + 1e-9, replay=first.steps)
    with pytest.raises(OptionError, match=r"event 'half' of sample . at t = 0\.[56].* instead of zero; .* solve anew"):
        solved(1.01, replay=first.steps)


def test_a_replay_refuses_events_that_have_come() -> None:
    def solved(threshold: float, direction: str, **how: Any) -> fs.Solution:
        event = fs.Event(lambda t, y: y[0] - threshold, direction=direction, name="low")
        return fs.solve(decay, START, t_span=(0, 2), events=[event], **how)

    silent = solved(0.01, "down")
    assert silent.events is not None
    assert len(silent.events) == 0
    with pytest.raises(OptionError, match=r"'low' of sample 0 has changed its sign by t = .* no event there; .* anew"):
        solved(0.5, "down", replay=silent.steps)
    solved(0.5, "up", replay=silent.steps)  # falls through zero, which nobody looks for
    plain = fs.solve(decay, START, t_span=(0, 2))
    with pytest.raises(OptionError, match="has changed its sign"):
        solved(0.5, "both", replay=plain.steps)


def test_a_replay_of_crossings_in_both_directions_in_one_step() -> None:
    """Two crossings in a step leave the sign as it was; a ball that leaves the ground does not cross it."""
    wave = fs.Event(lambda t, y: torch.sin(3.0 * t) + 0 * y[0], name="wave")
    first = fs.solve(decay, START, t_span=(0.1, 9), events=[wave], dt=1.5, check="off", method="rk4")
    again = fs.solve(decay, START, t_span=(0.1, 9), events=[wave], method="rk4", replay=first.steps)
    assert first.events is not None
    assert again.events is not None
    torch.testing.assert_close(again.events.t, first.events.t, rtol=0.0, atol=0.0)
    ground = fs.Event(
        lambda t, y: y[0], direction="down", reset=lambda t, y: torch.stack([0 * y[0], -0.8 * y[1]]), name="impact"
    )
    fall = {"t_span": (0, 3), "events": [ground]}
    drop = torch.tensor([1.0, 0.0], dtype=torch.float64)
    ball = lambda t, y: torch.stack([y[1], torch.full_like(y[1], -9.81)])  # noqa: E731 - one line among the data
    bounced = fs.solve(ball, drop, **fall)
    assert bounced.events is not None
    assert len(bounced.events) > 3
    torch.testing.assert_close(fs.solve(ball, drop, replay=bounced.steps, **fall).y, bounced.y)


def test_a_replay_with_a_reset_over_and_onto_other_conditions() -> None:
    """Neither is a crossing, so that the log has none, and the repetition misses none."""
    events = [
        fs.Event(lambda t, y: y[0] - 0.5, direction="down", reset=lambda t, y: 0 * y + 0.3, name="jump"),
        fs.Event(lambda t, y: y[0] - 0.4, name="over"),
        fs.Event(lambda t, y: y[0] - 0.3, name="onto"),
    ]
    first = fs.solve(decay, START, t_span=(0, 2), events=events)
    assert first.events is not None
    assert len(first.events) == 1
    assert torch.equal(fs.solve(decay, START, t_span=(0, 2), events=events, replay=first.steps).y, first.y)


def test_resets_and_callbacks_may_work_in_place() -> None:
    def in_place(t: Tensor, y: Tensor) -> Tensor:
        y[..., 0] = 1.0
        return y

    def elsewhere(t: Tensor, y: Tensor) -> Tensor:
        return torch.stack([torch.ones_like(y[..., 0]), y[..., 1]], -1)

    def scribble(t: Tensor, y: Tensor) -> None:
        y.mul_(0.0)

    for batch_dims, start in ((0, START), (1, torch.stack([START, 2 * START]))):
        logs = []
        for reset, callback in ((in_place, scribble), (elsewhere, None)):
            event = fs.Event(lambda t, y: y[..., 0] - 0.5, direction="down", reset=reset, name="low")
            run = fs.solve(decay, start, t_span=(0, 3), batch_dims=batch_dims, events=[event], callback=callback)
            logs.append(run)
        assert logs[0].events is not None
        assert logs[1].events is not None
        assert torch.equal(logs[0].y, logs[1].y)
        assert torch.equal(logs[0].events.y_before, logs[1].events.y_before)
        np.testing.assert_allclose(logs[0].events.y_before[:, 0].numpy(), 0.5, rtol=1e-9)


@pytest.mark.parametrize("batch_dims", [0, 1])
def test_a_right_hand_side_in_place_is_refused(batch_dims: int) -> None:
    with pytest.raises(StateError, match=r"f\(t, y\) changes y in place.*y.clone"):
        fs.solve(lambda t, y: y.mul_(-1.0), START.clone().view(2, 1)[:, 0], t_span=(0, 1), batch_dims=batch_dims)


def test_a_layer_refuses_an_end_before_its_duration() -> None:
    def layer(**options: Any) -> fs.nn.FieldLayer:
        event = fs.Event("v - 1", direction="up", name="spike", **options)
        return fs.nn.FieldLayer(fs.FieldEquation("dv/dt = 2 - v", events=[event]))

    with pytest.raises(OptionError, match="event 'spike' ends samples before the time is over"):
        layer(terminal=True)
    assert torch.isfinite(layer(reset={"v": "0"})(torch.zeros(3, 1))).all()


@pytest.mark.parametrize("sample", [2, -1, 0.0, True, "0", None])
def test_the_log_refuses_samples_that_are_not_there(sample: Any) -> None:
    run = fs.solve(decay, torch.stack([START, START]), t_span=(0, 2), batch_dims=1, events=[passing()])
    assert run.events is not None
    for ask in (run.events.times, run.events.states):
        with pytest.raises(OptionError, match="an integer from 0 to 1, got"):
            ask("half", sample)
    assert len(run.events.times("half", sample=np.int64(1))) == 1


def no_reset(t: Tensor, y: Tensor) -> Tensor:
    return 1.0 * y


@pytest.mark.parametrize(
    ("threshold", "reset", "accepted"),
    [(0.5, no_reset, True), (0.4999, no_reset, False), (0.5, lambda t, y: y.flip(-1), False)],
)
def test_a_checkpoint_knows_thresholds_and_resets(
    threshold: float, reset: Callable[[Tensor, Tensor], Tensor], accepted: bool, tmp_path: Path
) -> None:
    """Functions of the same name, which differ in what they hold."""
    path = tmp_path / "run.safetensors"

    def solved(level: float, jump: Callable[[Tensor, Tensor], Tensor], stop: bool) -> fs.Solution:
        def condition(t: Tensor, y: Tensor) -> Tensor:
            return y[0] - level

        def after(t: Tensor, y: Tensor) -> Tensor:
            return jump(t, y)

        calls = []

        def right_hand_side(t: Tensor, y: Tensor) -> Tensor:
            calls.append(1)
            if stop and len(calls) > 60:
                raise KeyboardInterrupt
            return -y

        event = fs.Event(condition, name="low", reset=after)
        return fs.solve(right_hand_side, START, t_span=(0, 2), events=[event], dt=0.01, checkpoint=path)

    with pytest.raises(KeyboardInterrupt):
        solved(0.5, no_reset, True)
    assert path.exists()
    if accepted:
        assert solved(threshold, reset, False).success
        return
    with pytest.raises(FileFormatError, match="with other events: a condition or a reset differs"):
        solved(threshold, reset, False)


@pytest.mark.parametrize("value", [torch.tensor(0.0), lambda t, y: 0 * y, None, [0.0]])
def test_resets_that_are_no_text(value: Any) -> None:
    with pytest.raises(EquationTypeError, match=r"the reset of 'v' by event 'e' is .*, expected text.*'0'"):
        fs.FieldEquation("dv/dt = -v", events=[fs.Event("v - 1", reset={"v": value}, name="e")])


def test_readable_refusals() -> None:
    with pytest.raises(OptionError, match="two events are called 'half'; give each a name= of its own"):
        fs.solve(decay, START, t_span=(0, 1), events=[passing(), passing()])
    with pytest.raises(OptionError, match=r"the reset of event 'half' is a dict, .* write reset=lambda t, y: y_new"):
        fs.solve(decay, START, t_span=(0, 1), events=[passing(reset={"v": "0"})])
    equation = fs.FieldEquation("dv/dt = -v")
    with pytest.raises(OptionError, match=r"events is a list such as \[fs.Event\(.*, got Event"):
        fs.solve(equation, {"v": torch.ones(())}, t_span=(0, 1), events=fs.Event("v - 1"))
    with pytest.raises(OptionError, match=r"events is a list such as \[fs.Event\(.*, got Event"):
        fs.solve(decay, START, t_span=(0, 1), events=passing())


def test_a_failure_at_the_start_with_events_is_told() -> None:
    """f(t0, y0) is NaN: the run never begins, and its log is empty."""
    with pytest.warns(FieldSolverWarning, match="became NaN"):
        run = fs.solve(lambda t, y: y * float("nan"), START, t_span=(0, 1), events=[passing()], on_failure="keep")
    assert run.status.item() == int(fs.Status.NON_FINITE)
    assert run.events is not None
    assert len(run.events) == 0
