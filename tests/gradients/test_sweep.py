"""The backward sweep: rows that rest, save points and events between rows, the ends, and other sources of states."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from fieldsolver.gradients import Checkpointed, GradientMode, solve_with_gradient
from fieldsolver.gradients.discrete.binomial import advances
from fieldsolver.gradients.discrete.repetition import Repetition
from fieldsolver.gradients.discrete.rows import RowRecorder, RowStart
from fieldsolver.gradients.discrete.sweep import Sweep
from fieldsolver.methods import METHODS
from fieldsolver.stepping import Ends, StepLog, VectorField, integrate
from fieldsolver.stepping.events import EventFunction
from fieldsolver.stepping.save_times import SaveTimes

START, END = 0.1, 1.0
TIMES = torch.tensor([0.1, 0.3, 0.3, 0.55, 1.0], dtype=torch.float64)
METHOD_STEPS = [("tsit5", {"rtol": 1e-5, "atol": 1e-5}), ("bosh3", {"rtol": 1e-3, "atol": 1e-4}), ("rk4", {"dt": 0.09})]
METHOD_STEPS += [("ab3", {"rtol": 1e-2, "atol": 1e-3}), ("dop853", {"rtol": 1e-6, "atol": 1e-6})]


def network(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
    weight, gain = p
    return torch.tanh(y @ weight) + torch.cos(3 * t).to(y.dtype)[:, None] * gain


def level(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
    return y[:, 0] + 0.3 * torch.cos(6 * t) * p[1][:, 0]


def kick(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
    return torch.stack([y[:, 0] * 0.5, y[:, 1] + p[1][:, 0]], dim=1)


EVENTS = (EventFunction("level", level, reset=kick), EventFunction("watched", lambda p, t, y: y[:, 1] - 0.5))


def gradients(
    mode: str | GradientMode, name: str, saves: bool, events: bool, own: bool, **options: Any
) -> list[Tensor]:
    """Of a loss that looks at everything, by y0, the parameters and both ends."""
    generator = torch.Generator().manual_seed(0)
    y0 = torch.randn(5, 2, generator=generator, dtype=torch.float64).requires_grad_()
    weight = torch.randn(2, 2, generator=generator, dtype=torch.float64).requires_grad_()
    gain = torch.tensor([[0.8], [0.3], [6.0], [0.1], [1.0]], dtype=torch.float64).requires_grad_()
    ends = Ends(*(torch.tensor(t, dtype=torch.float64, requires_grad=True) for t in (START, END)))
    found = solve_with_gradient(
        mode, VectorField(network, (weight, gain), (False, True) if own else None), METHODS[name], y0, START, END,
        ends=ends, events=EVENTS if events else (), save_at=TIMES if saves else None, **options,
    )  # fmt: skip
    loss = found.y_end.square().sum()
    if saves:
        loss = loss + found.saved.sin().sum()
    if found.events is not None:
        assert len(found.events) > 2
        loss = loss + found.events.t.sum() + (found.events.y_before * found.events.y_after).sum()
    return [*torch.autograd.grad(loss, (y0, weight, gain, *ends))]


@pytest.mark.parametrize("own", [True, False], ids=["compacted", "masked"])
@pytest.mark.parametrize("events", [True, False], ids=["events", "smooth"])
@pytest.mark.parametrize("saves", [True, False], ids=["saves", "end"])
@pytest.mark.parametrize(("name", "options"), METHOD_STEPS, ids=[name for name, _ in METHOD_STEPS])
def test_the_sweep_is_the_transpose_of_the_run(name: str, options: dict, saves: bool, events: bool, own: bool) -> None:
    expected = gradients("direct", name, saves, events, False, **options)
    for states in (2, None):
        found = gradients(Checkpointed(states), name, saves, events, own, **options)
        for got, wanted in zip(found, expected, strict=True):
            torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("states", [1, 2, 3, None])
@pytest.mark.parametrize("name", ["rk4", "bosh3", "vern7", "ab3", "reversible_heun"])
def test_samples_that_rest_between_their_steps(name: str, states: int | None) -> None:
    """A row begins with the last derivative of the row before only if all that move in it have moved there.

    And a run that goes on from a checkpoint takes the derivatives of resting samples along.
    """
    eighths = torch.tensor([[1, 0, 1], [1, 3, 0], [0, 1, 0], [3, 0, 2], [0, 1, 2], [1, 1, 1]])
    dt = eighths.double() / 8
    t = torch.cat([torch.zeros(1, 3, dtype=torch.float64), dt.cumsum(0)[:-1]])
    log = StepLog(list(t), list(dt), dt.sum(0), torch.ones(3, dtype=torch.int64))
    times = torch.tensor([0.05, 0.12, 0.17, 0.45, 0.7], dtype=torch.float64)

    def gradient(mode: str | GradientMode) -> tuple[Tensor, ...]:
        gain = torch.tensor(1.7, dtype=torch.float64, requires_grad=True)
        y0 = torch.tensor([[0.4], [1.1], [-0.7]], dtype=torch.float64, requires_grad=True)
        field = VectorField(lambda p, t, y: p[0] * torch.sin(y) + torch.cos(t)[:, None], (gain,))
        found = solve_with_gradient(mode, field, METHODS[name], y0, 0.0, 0.75, replay=log, save_at=times)
        assert found.stats.accepted.tolist() == [4, 4, 4]
        return torch.autograd.grad(found.y_end.square().sum() + found.saved.sin().sum(), (y0, gain))

    for got, wanted in zip(gradient(Checkpointed(states)), gradient("direct"), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(("states", "again"), [(None, 0), (7, advances(10, 7))])
def test_rows_on_which_nothing_depends_are_not_made_again(states: int | None, again: int) -> None:
    rate = torch.ones(1, dtype=torch.float64, requires_grad=True)
    y0 = torch.ones(1, 3, dtype=torch.float64, requires_grad=True)
    times = torch.tensor([0.1], dtype=torch.float64)
    found = solve_with_gradient(
        Checkpointed(states), VectorField(lambda p, t, y: -p[0] * y, (rate,)), METHODS["rk4"], y0, 0.0, 1.0, dt=0.01,
        save_at=times,
    )  # fmt: skip
    torch.autograd.grad(found.saved.sum(), (y0, rate))
    assert found.backward is not None
    assert found.backward.nfev == 4 * (10 + again)  # of a hundred steps


class AllStates:
    """A source that has kept everything."""

    peak = 0

    def __init__(self, y0: Tensor) -> None:
        self.starts = [y0]
        self.asked: list[int] = []

    def start(self, batch: Any, method: Any) -> None:
        """As an observer of the run."""

    def after(self, attempt: Any, ledger: Any) -> None:
        """Keep the start of the next row."""
        self.starts.append(attempt.y)

    def before(self, number: int) -> RowStart:
        self.asked.append(number)
        return RowStart(self.starts[number], None)


def test_any_source_of_states_will_do() -> None:
    """Those of the rows are asked for once each, from the last to the first."""
    method, rate = METHODS["bosh3"], torch.tensor([1.3], dtype=torch.float64)
    field, y0 = VectorField(lambda p, t, y: -p[0] * torch.sin(y), (rate,)), torch.ones(1, 2, dtype=torch.float64)
    record, source = RowRecorder(), AllStates(y0)
    with torch.no_grad():
        found = integrate(field, method, y0, 0.0, 1.0, observers=(record, source), rtol=1e-4, atol=1e-4)
    repetition = Repetition(field, method, record, 1.0, (True,))
    result = Sweep(repetition, source, SaveTimes.checked(None, 0.0, 1.0)).run(torch.ones_like(y0), None)
    assert source.asked == list(reversed(range(len(found.steps))))
    assert repetition.nfev == 3 * len(found.steps)
    given = [x.clone().requires_grad_() for x in (y0, rate)]
    expected = solve_with_gradient(
        "direct", field.with_parameters((given[1],)), method, given[0], 0.0, 1.0, replay=found.steps
    ).y_end
    for got, wanted in zip((result.y0, *result.parameters), torch.autograd.grad(expected.sum(), given), strict=True):
        assert got is not None
        assert torch.equal(got, wanted)
    assert result.t0 is None
    assert result.t1 is None
