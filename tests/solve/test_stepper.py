"""`init` and `step`: driving an integration by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import fieldsolver as fs

Y0 = torch.tensor([2.0, 0.5], dtype=torch.float64)


def decay(t: Tensor, y: Tensor) -> Tensor:
    return -y


def driven(state: fs.StepState) -> fs.StepState:
    while not state.arrived:
        state = fs.step(state)
    return state


def test_it_arrives_where_solve_does_with_the_same_steps() -> None:
    state = driven(fs.init(decay, Y0, until=2.0))
    solution = fs.solve(decay, Y0, t_span=(0, 2))
    assert state.t.item() == 2.0
    assert state.accepted == solution.stats.accepted
    torch.testing.assert_close(state.y, solution.y[-1], rtol=1e-12, atol=0)


def test_a_step_leaves_its_state_as_it_is() -> None:
    first = fs.init(decay, Y0, until=2.0)
    second = fs.step(first)
    assert first.t.item() == 0.0
    assert torch.equal(first.y, Y0)
    assert second.t.item() > 0.0
    assert torch.equal(fs.step(first).y, second.y)


def test_the_time_to_stop_at_can_be_moved() -> None:
    state = driven(fs.init(decay, Y0, until=1.0))
    state = driven(state.until(1.5))
    assert state.t.item() == 1.5
    torch.testing.assert_close(state.y, Y0 * math.exp(-1.5), rtol=1e-5, atol=0)
    with pytest.raises(fs.OptionError, match="lies behind the samples"):
        state.until(1.0)


def test_the_outside_world_may_change_the_state() -> None:
    state = driven(fs.init(decay, Y0, until=1.0))
    state = driven(state.with_state(state.y + 1.0).until(2.0))
    expected = (Y0 * math.exp(-1.0) + 1.0) * math.exp(-1.0)
    torch.testing.assert_close(state.y, expected, rtol=1e-5, atol=0)
    with pytest.raises(fs.StateError, match="with_state has shape"):
        state.with_state(torch.zeros(3, dtype=torch.float64))


def test_a_fixed_step_goes_on_from_a_changed_state() -> None:
    state = driven(fs.init(decay, Y0, until=0.5, dt=0.1, method="rk4"))
    assert state.accepted.item() == 5
    state = driven(state.with_state(Y0).until(1.0))
    torch.testing.assert_close(state.y, Y0 * math.exp(-0.5), rtol=1e-6, atol=0)


@pytest.mark.parametrize("method", ["tsit5", "dop853", "vern7", "ab4", "abm"])
def test_the_last_step_can_be_read_anywhere_inside(method: str) -> None:
    state = fs.init(decay, Y0, until=5.0, method=method, rtol=1e-8)
    with pytest.raises(fs.OptionError, match="there was no step yet"):
        state.at(0.0)
    before = state
    while not state.accepted:
        before, state = state, fs.step(state)
    middle = (before.t + state.t).item() / 2
    torch.testing.assert_close(state.at(middle), Y0 * math.exp(-middle), rtol=1e-8, atol=0)
    with pytest.raises(fs.OptionError, match="not inside the last accepted step"):
        state.at(state.t.item() + 0.1)


def test_samples_of_an_equation_step_by_themselves() -> None:
    equation = fs.FieldEquation("du/dt = -k*u", parameters={"k": fs.PerSample([1.0, 50.0])})
    u0 = torch.tensor([1.0, 1.0])
    state = driven(fs.init(equation, {"u": u0}, until=1.0))
    assert state.accepted[1] > state.accepted[0]
    assert state["u"].shape == (2,)
    assert state.status.tolist() == [fs.Status.RUNNING] * 2
    torch.testing.assert_close(
        state["u"].double(), torch.tensor([math.exp(-1), math.exp(-50)]).double(), rtol=1e-3, atol=1e-6
    )


def test_new_parameters_are_taken_over_when_asked() -> None:
    equation = fs.FieldEquation("du/dt = -k*u", parameters={"k": fs.Parameter(1.0)})
    state = driven(fs.init(equation, {"u": torch.tensor(1.0).double()}, until=1.0))
    with torch.no_grad():
        equation.raw["k"].fill_(3.0)
    state = driven(state.with_parameters().until(2.0))
    assert state["u"].item() == pytest.approx(math.exp(-4.0), rel=1e-5)


def test_compiled_it_makes_the_same_steps() -> None:
    compiled = torch.compile(fs.step, fullgraph=True, backend="aot_eager")
    state = same = fs.init(decay, Y0, until=1.0)
    for _ in range(3):
        state, same = compiled(state), fs.step(same)
    torch.testing.assert_close(state.y, same.y, rtol=1e-14, atol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"t0": math.nan}, "t0 is the time of y0, a number, got nan"),
        ({"until": 0.0}, "another time to head for"),
        ({"dt": -1.0}, "dt is a positive step size"),
        ({"method": "rk4"}, "has no error estimate; give dt="),
        ({"method": "rk5"}, "unknown method 'rk5'"),
        ({"method": "abm", "dt": 0.1}, "abm chooses its steps and its order; take ab4, or leave dt out"),
        ({"controller": "pidd"}, "did you mean 'pid'"),
        ({"rtol": -1.0}, "rtol is a number that is not negative"),
    ],
)
def test_what_cannot_be_is_refused(options: dict, message: str) -> None:
    with pytest.raises(fs.OptionError, match=message):
        fs.init(decay, Y0, **options)
