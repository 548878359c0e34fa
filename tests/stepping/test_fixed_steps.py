"""Fixed steps: their number, their times, their last one, and how they fail."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods import METHODS, get_method
from fieldsolver.stepping import Status, VectorField, integrate
from fieldsolver.stepping.fixed import count_steps

EULER = get_method("euler")


def decay(p: tuple, t: Tensor, y: Tensor) -> Tensor:
    return -y


ONE = torch.ones(1, 1, dtype=torch.float64)


@pytest.mark.parametrize(
    ("t0", "t1", "dt", "steps"),
    [
        (0.0, 1.0, 0.1, 10),
        (0.0, 0.3, 0.1, 3),  # 0.3 / 0.1 = 2.9999999999999996
        (0.0, 0.7, 0.1, 7),
        (0.0, 1.0, 0.3, 4),
        (0.0, 1.0, 5.0, 1),
        (1.0, 0.0, 0.1, 10),
        (1e6, 1e6 + 0.3, 0.1, 3),  # the span itself is rounded
        (0.0, 100.0, 0.01, 10_000),
        (0.0, 1.0, 1 / 3, 3),
        (0.0, 1.0, 0.0999, 11),
    ],
)
def test_the_number_of_steps_has_no_sliver(t0: float, t1: float, dt: float, steps: int) -> None:
    assert count_steps(t0, t1, dt) == steps
    if steps < 100:
        trajectory = integrate(VectorField(decay), EULER, ONE, t0, t1, dt=dt)
        assert trajectory.stats.accepted.item() == steps
        assert trajectory.t_end.item() == t1
        assert trajectory.stats.largest_dt.item() <= dt


@given(st.integers(1, 500), st.floats(1e-6, 1e3), st.floats(-1e3, 1e3))
def test_n_equal_steps_are_n_steps(n: int, dt: float, t0: float) -> None:
    assert count_steps(t0, t0 + n * dt, dt) == n or abs(t0) * 1e-16 > 1e-4 * dt


def test_the_times_are_products_not_sums() -> None:
    steps = integrate(VectorField(decay), EULER, ONE, 0.0, 100.0, dt=0.01).steps
    assert all(t.item() == n * 0.01 for n, t in enumerate(steps.t))
    assert {dt.item() for dt in steps.dt} == {0.01}


def test_the_last_step_is_shortened_to_land_on_the_end() -> None:
    trajectory = integrate(VectorField(decay), EULER, ONE, 0.0, 1.0, dt=0.3)
    torch.testing.assert_close(torch.cat(trajectory.steps.dt), torch.tensor([0.3, 0.3, 0.3, 0.1]).double())
    assert trajectory.y_end.item() == pytest.approx(0.7**3 * 0.9, rel=1e-14)


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.fixed_steps])
def test_backward_undoes_forward(name: str) -> None:
    field = VectorField(lambda p, t, y: torch.cos(t)[:, None] * torch.sin(y))
    y0 = torch.tensor([[0.3], [1.0]], dtype=torch.float64)
    dt = 1e-3 if METHODS[name].order == 1 else 1e-2
    there = integrate(field, METHODS[name], y0, 0.0, 1.5, dt=dt)
    back = integrate(field, METHODS[name], there.y_end, 1.5, 0.0, dt=dt)
    assert back.t_end.tolist() == [0.0, 0.0]
    assert float((back.y_end - y0).abs().max()) < 10 * dt ** METHODS[name].order + 1e-14


def test_backward_steps_have_negative_sizes() -> None:
    trajectory = integrate(VectorField(decay), EULER, ONE, 1.0, 0.0, dt=0.25)
    assert [dt.item() for dt in trajectory.steps.dt] == [-0.25] * 4
    assert trajectory.stats.smallest_dt.item() == 0.25


def test_a_non_finite_step_ends_its_sample_and_leaves_the_others_alone() -> None:
    field = VectorField(lambda p, t, y: y * y)
    y0 = torch.tensor([[0.1], [1e200], [0.2]], dtype=torch.float64)
    both = integrate(field, get_method("rk4"), y0, 0.0, 1.0, dt=0.1)
    assert both.status.tolist() == [Status.SUCCESS, Status.NON_FINITE, Status.SUCCESS]
    assert both.y_end[1].item() == 1e200  # the last finite state
    assert both.t_end.tolist() == [1.0, 0.0, 1.0]
    for i in (0, 2):
        alone = integrate(field, get_method("rk4"), y0[i : i + 1], 0.0, 1.0, dt=0.1)
        assert torch.equal(alone.y_end[0], both.y_end[i])
        assert alone.stats.nfev.item() == both.stats.nfev[i].item()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_non_finite_initial_state_ends_only_its_sample(bad: float) -> None:
    y0 = torch.tensor([[1.0], [bad]], dtype=torch.float64)
    trajectory = integrate(VectorField(decay), EULER, y0, 0.0, 1.0, dt=0.5)
    assert trajectory.status.tolist() == [Status.SUCCESS, Status.NON_FINITE]
    assert trajectory.y_end[0].item() == 0.25
    assert trajectory.stats.accepted.tolist() == [2, 0]


def test_too_few_steps_end_with_their_status() -> None:
    trajectory = integrate(VectorField(decay), EULER, ONE, 0.0, 1.0, dt=0.1, max_steps=4)
    assert trajectory.status.item() == Status.MAX_STEPS
    assert trajectory.t_end.item() == pytest.approx(0.4)


def test_a_span_of_length_zero_is_over_at_once() -> None:
    times = torch.zeros(1, dtype=torch.float64)
    trajectory = integrate(VectorField(decay), EULER, ONE, 0.0, 0.0, dt=0.1, save_at=times)
    assert trajectory.status.item() == Status.SUCCESS
    assert torch.equal(trajectory.saved[0], ONE)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dt": -0.1}, "expected a positive size; the direction follows from t_span"),
        ({"dt": 0.0}, "expected a positive size"),
        ({"dt": math.nan}, "expected a positive size"),
        ({"dt": 0.1, "dt_max": 1.0}, "belongs to adaptive steps"),
        ({"dt": 0.1, "max_steps": 0}, "max_steps = 0"),
        ({}, "'euler' has no error estimate .* use one of: heun, .*tsit5"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        integrate(VectorField(decay), EULER, ONE, 0.0, 1.0, **options)


def test_an_infinite_span_is_refused() -> None:
    with pytest.raises(OptionError, match="two finite times"):
        integrate(VectorField(decay), EULER, ONE, 0.0, math.inf, dt=0.1)
