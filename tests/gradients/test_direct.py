"""`direct` in one pass: what it costs, and that rejected steps leave nothing in the graph."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from fieldsolver.gradients import solve_with_gradient
from fieldsolver.methods import get_method
from fieldsolver.stepping import Status, Trajectory, VectorField, integrate

TSIT5 = get_method("tsit5")
PLAIN = {"rtol": 1e-6, "atol": 1e-9}
REJECTING = {**PLAIN, "first_step": 0.5, "controller": "i"}
"""A first step that is too long for some samples."""


class Counted:
    """A pendulum that counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
        self.calls += 1
        return torch.stack([y[:, 1], -p[0] * y[:, 0].sin()], -1)


def swings(samples: int) -> tuple[Tensor, Tensor]:
    rate = torch.tensor(9.0, dtype=torch.float64, requires_grad=True)
    angle = torch.linspace(0.05, 2.5, samples, dtype=torch.float64)
    return torch.stack([angle, 0 * angle], -1).requires_grad_(), rate


def test_of_one_system_f_is_evaluated_as_often_as_without_a_gradient() -> None:
    """Nobody shares its rejected attempts, and no step is repeated."""
    y0, rate = swings(1)
    plain, traced = Counted(), Counted()
    integrate(VectorField(plain, (rate.detach(),)), TSIT5, y0.detach(), 0.0, 2.0, **REJECTING)
    found = solve_with_gradient("direct", VectorField(traced, (rate,)), TSIT5, y0, 0.0, 2.0, **REJECTING)
    assert found.stats.rejected.sum() > 0
    assert traced.calls == plain.calls


def test_an_attempt_that_some_samples_reject_is_made_twice_and_no_more() -> None:
    y0, rate = swings(5)
    f = Counted()
    plain = integrate(VectorField(f, (rate.detach(),)), TSIT5, y0.detach(), 0.0, 2.0, **REJECTING)
    before, f.calls = f.calls, 0
    found = solve_with_gradient("direct", VectorField(f, (rate,)), TSIT5, y0, 0.0, 2.0, **REJECTING)
    assert found.stats.rejected.sum() > 0
    assert before < f.calls <= before + 6 * int(found.stats.rejected.sum())
    for name in ("accepted", "rejected", "nfev"):  # costs are those of the solution
        assert torch.equal(getattr(found.stats, name), getattr(plain.stats, name))


@pytest.mark.parametrize("per_sample", [None, (False,)], ids=["masked", "compacted"])
@pytest.mark.parametrize("options", [PLAIN, REJECTING], ids=["plain", "rejecting"])
def test_it_is_the_gradient_of_the_repeated_steps(options: dict, per_sample: tuple[bool] | None) -> None:
    y0, rate = swings(7)
    times = torch.linspace(0, 2, 6, dtype=torch.float64)

    def losses(**more: object) -> tuple[Trajectory, Tensor]:
        field = VectorField(Counted(), (rate,), per_sample)
        found = solve_with_gradient("direct", field, TSIT5, y0, 0.0, 2.0, save_at=times, **more)
        parts = torch.autograd.grad(found.saved.pow(3).sum() + found.y_end.sum(), (y0, rate))
        return found, torch.cat([part.flatten() for part in parts])

    found, once = losses(**options)
    _, again = losses(replay=found.steps)
    torch.testing.assert_close(once, again, rtol=1e-12, atol=1e-13)


def draining(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
    """Torricelli's law with a floor: finite everywhere, with an infinite derivative at and below zero."""
    return -p[0] * (0.5 * (y.abs() + y)).sqrt()


def test_a_rejected_step_into_a_place_without_derivative_poisons_nothing() -> None:
    """sqrt(0) is finite where y < 0, and its graph is 0 * inf: a rejected overshoot must leave no trace of it."""
    rate = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    y0 = torch.tensor([[0.04], [4.0]], dtype=torch.float64, requires_grad=True)
    field = VectorField(draining, (rate,))
    seen: list[float] = []
    watching = VectorField(lambda p, t, y: (seen.append(y.min().item()), draining(p, t, y))[1], (rate,))
    end = 0.3  # sample 0 is empty at 2 sqrt(0.04) = 0.4
    options = {**PLAIN, "first_step": end}
    found = solve_with_gradient("direct", watching, TSIT5, y0, 0.0, end, **options)
    assert min(seen) < 0  # the first attempt overshoots
    assert found.status.tolist() == [Status.SUCCESS, Status.SUCCESS]
    gradient, by_rate = torch.autograd.grad(found.y_end.sum(), (y0, rate))
    # y(t) = (sqrt(y0) - a t / 2)^2
    root = y0.detach().sqrt()
    left = root - end / 2
    torch.testing.assert_close(gradient, left / root, rtol=1e-4, atol=0)
    assert by_rate.item() == pytest.approx((-left * end).sum().item(), rel=1e-4)
    assert torch.autograd.grad(integrate(field, TSIT5, y0, 0.0, end, **options).y_end.sum(), rate)[0].isfinite()


def test_a_sample_that_fails_leaves_no_infinities_behind() -> None:
    rate = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    y0 = torch.tensor([[0.1], [3.0]], dtype=torch.float64, requires_grad=True)
    field = VectorField(lambda p, t, y: p[0] * torch.exp(y), (rate,))
    found = integrate(field, get_method("rk4"), y0, 0.0, 1.0, dt=0.05)
    assert found.status[1] == Status.NON_FINITE
    assert all(g.isfinite().all() for g in torch.autograd.grad(found.y_end[0].sum(), (y0, rate)))


def test_random_numbers_are_drawn_once_where_an_attempt_is_made_twice() -> None:
    """Fixed steps of a field with noise; sample 1 fails on its way, and the others must keep the numbers they drew."""
    y0 = torch.tensor([[0.1], [3.0], [-0.5]], dtype=torch.float64, requires_grad=True)
    kept: list[np.ndarray] = []

    def noisy(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
        noise = torch.rand_like(y)
        kept.append(noise.numpy().copy())
        return torch.exp(y) * p[0] * noise

    rate = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(3)
    traced = integrate(VectorField(noisy, (rate,)), get_method("rk4"), y0, 0.0, 1.0, dt=0.05)
    assert traced.status[1] == Status.NON_FINITE
    calls_traced = len(kept)
    torch.manual_seed(3)
    with torch.no_grad():
        plain = integrate(VectorField(noisy, (rate,)), get_method("rk4"), y0, 0.0, 1.0, dt=0.05)
    assert calls_traced > len(kept) - calls_traced  # an attempt was made twice
    torch.testing.assert_close(traced.y_end[[0, 2]], plain.y_end[[0, 2]], rtol=1e-13, atol=0)


def test_attempts_that_nobody_accepts_move_nothing() -> None:
    y0 = torch.ones(2, 1, dtype=torch.float64, requires_grad=True)
    rate = torch.tensor(40.0, dtype=torch.float64, requires_grad=True)
    field = VectorField(lambda p, t, y: -p[0] * y, (rate,))
    found = solve_with_gradient("direct", field, TSIT5, y0, 0.0, 0.1, rtol=1e-8, atol=1e-10, first_step=0.1)
    assert (found.stats.rejected > 0).all()
    (gradient,) = torch.autograd.grad(found.y_end.sum(), rate)
    assert gradient.item() == pytest.approx(-0.1 * 2 * math.exp(-4), rel=1e-5)


def test_function_transforms_see_no_rejected_step_either() -> None:
    """One sample of two rejects its first step, on the way to a place without a derivative."""
    y0, one = torch.tensor([[0.04], [4.0]], dtype=torch.float64), torch.ones((), dtype=torch.float64)

    def end(rate: Tensor, y0: Tensor) -> Tensor:
        field = VectorField(draining, (rate,))
        return solve_with_gradient("direct", field, TSIT5, y0, 0.0, 0.3, **PLAIN, first_step=0.3).y_end.sum()

    root = y0.sqrt()
    by_rate = -(0.3 * (root - 0.15)).sum().item()
    assert torch.func.grad(end)(one, y0).item() == pytest.approx(by_rate, rel=1e-4)
    assert torch.func.jvp(lambda rate: end(rate, y0), (one,), (one,))[1].item() == pytest.approx(by_rate, rel=1e-4)
    torch.testing.assert_close(torch.func.grad(end, argnums=1)(one, y0), (root - 0.15) / root, rtol=1e-4, atol=0)
