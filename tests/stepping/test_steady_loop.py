"""Runs that end in steady states: where each sample stops, what that costs, and what keeps others out of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from fieldsolver.equations.events import EventFunction
from fieldsolver.errors import OptionError
from fieldsolver.methods import METHODS, get_method
from fieldsolver.stepping import Status, SteadyState, Trajectory, VectorField, integrate
from fieldsolver.stepping.steady import scaled_residual

TSIT5, RK4 = get_method("tsit5"), get_method("rk4")
RATES = torch.tensor([[0.5], [1.0], [4.0]], dtype=torch.float64)
START = torch.tensor([[2.0, -1.0], [0.5, 3.0], [1e-3, 1e3]], dtype=torch.float64)


def decay(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
    return -p[0] * (y - 1.0)


FIELD = VectorField(decay, (RATES,), (True,))


def run(steady: SteadyState, method: str = "tsit5", y0: Tensor = START, field: VectorField = FIELD, **options: object):
    return integrate(field, get_method(method), y0, 0.0, 100.0, until=steady, **options)


def residual_at(trajectory: Trajectory, steady: SteadyState, field: VectorField = FIELD) -> Tensor:
    rate = field(trajectory.t_end, trajectory.y_end)
    return ((rate / (steady.atol + steady.rtol * trajectory.y_end.abs())) ** 2).mean(1).sqrt()


# The second state of a reversible method comes to rest like 0.999^steps, whatever f does.
@pytest.mark.parametrize("name", sorted(name for name in METHODS if not name.startswith("reversible")))
def test_every_method_stops_with_the_first_step_at_whose_end_the_residual_is_at_most_one(name: str) -> None:
    steady = SteadyState(atol=1e-5, rtol=1e-4)
    options = {"dt": 0.05} if METHODS[name].fixed_steps else {}
    ends: list[tuple[Tensor, Tensor]] = []
    found = run(steady, name, callback=lambda t, y: ends.append((t.clone(), y.clone())), **options)
    assert found.status.tolist() == [Status.STEADY] * 3
    assert (found.residual <= 1.0).all()
    torch.testing.assert_close(found.residual, residual_at(found, steady), rtol=1e-6, atol=1e-12)
    for sample in range(3):  # no earlier step ended at rest
        times = torch.stack([t[sample] for t, _ in ends])
        states = torch.stack([y[sample] for _, y in ends])
        first = int(torch.nonzero(times == found.t_end[sample])[0])
        before = scaled_residual(-RATES[sample] * (states[:first] - 1.0), states[:first], steady.rtol, steady.atol)
        assert (before > 1.0).all()
        assert torch.equal(states[first], found.y_end[sample])


def test_the_residual_of_a_reversible_method_is_that_of_its_state_and_not_of_the_second_one() -> None:
    def swinging(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
        return torch.stack([y[:, 1], -y[:, 0] - 0.05 * y[:, 1]], dim=1)

    steady, field = SteadyState(atol=0.2, rtol=0.0), VectorField(swinging)
    found = run(steady, "reversible_heun", torch.tensor([[1.0, 0.0]], dtype=torch.float64), field, dt=0.2)
    assert found.status.tolist() == [Status.STEADY]
    torch.testing.assert_close(found.residual, residual_at(found, steady, field), rtol=1e-12, atol=0.0)


def test_the_time_to_rest_is_that_of_the_closed_form() -> None:
    # y = 1 + c exp(-k t) has the residual k |c| exp(-k t) / (atol + rtol |y|).
    steady = SteadyState(atol=1e-6, rtol=0.0)
    found = run(steady, dt=0.01)
    amplitude = ((START - 1.0) ** 2).mean(1).sqrt()
    exact = torch.log(RATES[:, 0] * amplitude / 1e-6) / RATES[:, 0]
    assert ((found.t_end >= exact - 1e-6) & (found.t_end <= exact + 0.01)).all()


@pytest.mark.parametrize(("name", "more"), [("tsit5", 0), ("bosh3", 0), ("ssprk33", 0), ("ab2", 0), ("rk4", 1)])
def test_the_last_stage_of_a_step_is_used_where_there_is_one(name: str, more: int) -> None:
    counted = [0]

    def counting(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
        counted[0] += 1
        return decay(p, t, y)

    field = VectorField(counting, (RATES[:1],), (True,))
    with_steady = integrate(field, get_method(name), START[:1], 0.0, 100.0, dt=0.1, until=SteadyState())
    steps, cost = int(with_steady.stats.accepted), counted[0]
    assert int(with_steady.stats.nfev) == cost
    counted[0] = 0
    integrate(field, get_method(name), START[:1], 0.0, 0.1 * steps, dt=0.1)
    assert cost - counted[0] == more * steps


@pytest.mark.parametrize("options", [{}, {"dt": 0.02}, {"fused": True}], ids=["adaptive", "fixed", "fused"])
def test_neighbours_change_nothing(options: dict[str, object]) -> None:
    steady = SteadyState(rtol=1e-7)
    together = run(steady, **options)
    for sample in range(3):
        alone = run(steady, y0=START[sample : sample + 1], field=FIELD.select(torch.tensor([sample])), **options)
        assert alone.stats.accepted[0] == together.stats.accepted[sample]
        torch.testing.assert_close(alone.t_end[0], together.t_end[sample], rtol=1e-12, atol=0)
        torch.testing.assert_close(alone.y_end[0], together.y_end[sample], rtol=1e-12, atol=1e-12)


def test_samples_that_are_taken_out_of_the_batch_keep_their_residuals() -> None:
    rates = torch.logspace(-1, 1, 16, dtype=torch.float64).unsqueeze(1)
    field = VectorField(decay, (rates,), (True,))
    y0 = torch.full((16, 1), 5.0, dtype=torch.float64)
    steady = SteadyState()
    found = integrate(field, TSIT5, y0, 0.0, 1000.0, until=steady)
    torch.testing.assert_close(found.residual, residual_at(found, steady, field), rtol=1e-6, atol=1e-12)
    assert (found.t_end.diff() < 0).all()


def test_who_is_not_at_rest_in_time_fails_alone_and_with_a_remedy() -> None:
    found = integrate(FIELD, TSIT5, START, 0.0, 8.0, until=SteadyState())
    assert found.status.tolist() == [Status.NOT_STEADY, Status.NOT_STEADY, Status.STEADY]
    assert found.t_end[:2].tolist() == [8.0, 8.0]
    assert (found.residual[:2] > 1.0).all()
    assert not Status.NOT_STEADY.success
    assert Status.STEADY.success
    assert "raise max_time" in Status.NOT_STEADY.sentence


def test_other_failures_keep_their_names() -> None:
    y0 = torch.tensor([[0.5], [3.0], [math.nan]], dtype=torch.float64)
    field = VectorField(lambda p, t, y: y * (y - 1.0))  # blows up from above 1
    found = integrate(field, TSIT5, y0, 0.0, 50.0, until=SteadyState())
    assert found.status[0] == Status.STEADY
    assert found.status[1] in (Status.DT_UNDERFLOW, Status.NON_FINITE)
    assert found.status[2] == Status.NON_FINITE
    assert found.residual[2].isnan()
    few = integrate(field, TSIT5, y0[:1], 0.0, 50.0, until=SteadyState(), max_steps=3)
    assert few.status[0] == Status.MAX_STEPS


def test_an_entry_that_does_not_move_is_at_rest_whatever_its_scale() -> None:
    rate = torch.tensor([[0.0, 1e-3]], dtype=torch.float64)
    y = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    assert scaled_residual(rate, y, rtol=1e-3, atol=0.0).item() == pytest.approx(math.sqrt(0.5))


def test_tolerances_may_differ_from_entry_to_entry() -> None:
    loose = run(SteadyState(rtol=0.0, atol=torch.tensor([1e-2, 1e9], dtype=torch.float64)))
    tight = run(SteadyState(rtol=0.0, atol=1e-2))
    assert loose.t_end[2] < tight.t_end[2]


@pytest.mark.parametrize("name", ["tsit5", "bosh3", "dop853"])
def test_errors_of_fast_modes_do_not_keep_a_sample_moving(name: str) -> None:
    # Without a bound on the error as a part of the way the residual stays above 1.
    fast = torch.tensor([1.0, 200.0], dtype=torch.float64)
    field = VectorField(lambda p, t, y: -fast * (y - 1.0))
    y0 = torch.zeros(1, 2, dtype=torch.float64)
    found = integrate(field, get_method(name), y0, 0.0, 20.0, until=SteadyState(), rtol=1e-6, atol=1e-9)
    assert found.status.item() == Status.STEADY
    assert found.t_end.item() == pytest.approx(math.log(1e6), abs=1.0)


def test_f_at_random_is_never_at_rest() -> None:
    field = VectorField(lambda p, t, y: -torch.nn.functional.dropout(y, 0.5))
    with pytest.raises(OptionError, match=r"never at rest; call .eval\(\)"):
        integrate(field, RK4, START, 0.0, 1.0, dt=0.1, until=SteadyState())


def test_a_run_is_repeated_to_the_same_ends() -> None:
    steady = SteadyState()
    first = run(steady)
    again = run(steady, replay=first.steps)
    assert again.status.tolist() == first.status.tolist()
    assert again.t_end.tolist() == first.t_end.tolist()
    torch.testing.assert_close(again.residual, first.residual, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(again.y_end, first.y_end, rtol=1e-13, atol=1e-13)


def test_on_a_device_the_same_samples_stop_at_the_same_times(monkeypatch: pytest.MonkeyPatch) -> None:
    steady = SteadyState()
    host = run(steady, rtol=1e-8)
    from fieldsolver.stepping import loop, tensor_ops

    monkeypatch.setattr(loop, "arithmetic_on", lambda device: tensor_ops)
    device = run(steady, rtol=1e-8)
    assert device.status.tolist() == host.status.tolist()
    np.testing.assert_allclose(device.t_end, host.t_end, rtol=1e-12)
    torch.testing.assert_close(device.residual, host.residual, rtol=1e-6, atol=1e-12)
    late = integrate(FIELD, TSIT5, START, 0.0, 8.0, until=steady)
    assert late.status.tolist() == [Status.NOT_STEADY, Status.NOT_STEADY, Status.STEADY]


def test_the_end_of_a_step_that_an_event_has_cut_is_not_looked_at() -> None:
    # Beyond y = 1 nothing moves: the whole step ends at rest, but the event at 0.5 comes before.
    field = VectorField(lambda p, t, y: (y < 1.0).to(y.dtype))
    leap = EventFunction("leap", lambda p, t, y: y[:, 0] - 0.5, direction=1, reset=lambda p, t, y: 5.0 + 0.0 * y)
    y0 = torch.zeros(1, 1, dtype=torch.float64)
    found = integrate(field, TSIT5, y0, 0.0, 30.0, dt=2.0, until=SteadyState(), events=[leap])
    assert found.events is not None
    assert found.events.t[0] < 1.0
    assert found.t_end.tolist() == [2.0]  # at the end of the next step, which goes to where the first would have gone
    assert found.y_end.tolist() == [[5.0]]


def test_tolerances_per_field_are_for_solve() -> None:
    with pytest.raises(OptionError, match=r"atol of SteadyState per field belongs to fs\.solve"):
        run(SteadyState(atol={"u": 1e-3}))


def test_the_time_to_give_up_is_positive() -> None:
    for wrong in (0.0, -1.0, math.inf, math.nan, "10", True):
        with pytest.raises(OptionError, match="max_time is a positive time"):
            SteadyState(max_time=wrong)
