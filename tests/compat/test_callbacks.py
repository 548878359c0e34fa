"""The callbacks that func has as methods: which are called, when, with what."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
import torchdiffeq
from torch import Tensor, nn

import fieldsolver as fs
from fieldsolver.errors import FieldSolverWarning

F64 = torch.float64


class Watched(nn.Module):
    """A field with a kink, so that steps are rejected, that notes its callbacks."""

    def __init__(self, *, tuple_state: bool = False) -> None:
        super().__init__()
        self.rate = nn.Parameter(torch.tensor(-1.0, dtype=F64))
        self.tuple_state = tuple_state
        self.log: list[tuple[str, float, Any, float]] = []

    def forward(self, t: Tensor, y: Any) -> Any:
        gain = torch.where((t > 0.3) & (t < 0.6), 40.0, 1.0)
        return tuple(self.rate * gain * part for part in y) if self.tuple_state else self.rate * gain * y

    def note(self, name: str, t: Tensor, y: Any, dt: Tensor) -> None:
        assert t.shape == dt.shape == ()
        assert isinstance(y, tuple) is self.tuple_state
        self.log.append((name, t.item(), tuple(p.shape for p in y) if self.tuple_state else y.shape, dt.item()))

    def callback_step(self, t: Tensor, y: Any, dt: Tensor) -> None:
        self.note("step", t, y, dt)

    def callback_accept_step(self, t: Tensor, y: Any, dt: Tensor) -> None:
        self.note("accept", t, y, dt)

    def callback_reject_step(self, t: Tensor, y: Any, dt: Tensor) -> None:
        self.note("reject", t, y, dt)

    def names(self) -> list[str]:
        return [name for name, *_ in self.log]


@pytest.mark.parametrize("interface", ["odeint", "odeint_adjoint"])
@pytest.mark.parametrize("tuple_state", [False, True])
@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
def test_every_step_is_announced_and_decided_once(backward: bool, tuple_state: bool, interface: str) -> None:
    part = torch.ones(2, 3, dtype=F64, requires_grad=True)
    watched = Watched(tuple_state=tuple_state)
    y0: Any = (part, torch.ones((), dtype=F64)) if tuple_state else part
    t = torch.tensor([0.0, 1.0], dtype=F64)
    t = t.flip(0) if backward else t
    y = getattr(fs, interface)(watched, y0, t, rtol=1e-4, atol=1e-5)
    names = watched.names()
    assert names[::2] == ["step"] * (len(names) // 2)
    assert set(names[1::2]) == {"accept", "reject"}
    for (_, t_tried, _, dt_tried), (name, t_decided, _, dt_decided) in zip(
        watched.log[::2], watched.log[1::2], strict=True
    ):
        assert (t_tried, dt_tried) == (t_decided, dt_decided), name
        assert dt_tried > 0
    accepted = [(time, dt) for name, time, _, dt in watched.log if name == "accept"]
    assert accepted[0][0] == t[0]
    sign = -1.0 if backward else 1.0
    for (start, dt), (following, _) in pairwise(accepted):
        assert abs(start + sign * dt - following) < 1e-12
    count = len(names)
    (y[0] if tuple_state else y).sum().backward()
    assert len(watched.log) == count, "a backward pass repeats steps in silence"
    assert watched.rate.grad is not None


def test_the_solution_is_the_same_with_callbacks() -> None:
    t, y0 = torch.linspace(0.0, 1.0, 4, dtype=F64), torch.ones(2, dtype=F64)
    watched, plain = Watched(), Watched()
    y = fs.odeint(watched, y0, t)
    torch.testing.assert_close(y, fs.odeint(lambda t, y: plain(t, y), y0, t), rtol=1e-12, atol=1e-15)
    (with_calls,) = torch.autograd.grad(y.sum(), watched.rate)
    (without,) = torch.autograd.grad(fs.odeint(lambda t, y: plain(t, y), y0, t).sum(), plain.rate)
    torch.testing.assert_close(with_calls, without, rtol=1e-12, atol=0.0)
    with torch.no_grad():
        torch.testing.assert_close(fs.odeint(watched, y0, t), y.detach(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("interface", ["odeint", "odeint_adjoint"])
def test_methods_on_a_grid_announce_their_steps_as_torchdiffeq_does(interface: str) -> None:
    t, y0 = torch.linspace(1.0, 0.0, 4, dtype=F64), torch.ones(2, dtype=F64)
    watched, theirs = Watched(), Watched()
    with pytest.warns(FieldSolverWarning, match="callback_accept_step, callback_reject_step"):
        getattr(fs, interface)(watched, y0, t, method="rk4", options={"step_size": 0.13})
    with pytest.warns(UserWarning, match="does not support callbacks"):
        torchdiffeq.odeint(theirs, y0, t, method="rk4", options={"step_size": 0.13})
    assert watched.names() == theirs.names() == ["step"] * 8
    for (_, time, _, dt), (_, their_time, _, their_dt) in zip(watched.log, theirs.log, strict=True):
        assert abs(time - their_time) < 1e-14
        assert abs(dt - their_dt) < 1e-14


def test_callbacks_of_the_adjoint_are_never_called_and_said_so() -> None:
    class Adjoint(nn.Module):
        def forward(self, t: Tensor, y: Tensor) -> Tensor:
            return -y

        def callback_step_adjoint(self, t: Tensor, y: Tensor, dt: Tensor) -> None:
            raise AssertionError

    y0 = torch.ones(2, dtype=F64, requires_grad=True)
    with pytest.warns(FieldSolverWarning, match="callback_step_adjoint"):
        y = fs.odeint_adjoint(Adjoint(), y0, torch.tensor([0.0, 1.0], dtype=F64))
    y.sum().backward()


def test_callbacks_up_to_an_event() -> None:
    watched = Watched()
    event_t, _ = fs.odeint_event(
        watched, torch.ones(1, dtype=F64), torch.tensor(0.0, dtype=F64), event_fn=lambda t, y: y - 0.5
    )
    assert watched.log
    assert all(time < event_t.item() for _, time, _, _ in watched.log)
    assert watched.names().count("step") * 2 == len(watched.log)
