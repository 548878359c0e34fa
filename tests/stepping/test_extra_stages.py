"""Stages that only an interpolant needs: evaluated where the solution is asked for, and nowhere else."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fieldsolver.gradients import solve_with_gradient
from fieldsolver.methods import METHODS
from fieldsolver.stepping import Trajectory, VectorField, integrate
from fieldsolver.stepping.error_norm import combined

LAZY = [name for name, method in METHODS.items() if method.extra_stages]
RATES = torch.tensor([[1.0], [3.0], [2.0]], dtype=torch.float64)


def solve(name: str, save_at: list[float] | None, samples: list[int] | None = None, **options: object) -> Trajectory:
    rates = RATES if samples is None else RATES[samples]
    times = None if save_at is None else torch.tensor(save_at, dtype=torch.float64)
    field = VectorField(lambda p, t, y: -p[0] * y * y, (rates,), (True,))
    return integrate(field, METHODS[name], torch.ones_like(rates), 0.0, 2.0, save_at=times, **options)


@pytest.mark.parametrize("name", LAZY)
def test_only_steps_with_a_save_point_inside_pay_for_them(name: str) -> None:
    extra, free = METHODS[name].extra_stages, solve(name, None, dt=0.5).stats.nfev
    at_ends = solve(name, [0.5, 1.0, 2.0], dt=0.5).stats.nfev
    inside = solve(name, [0.1, 0.2, 0.5, 1.7], dt=0.5).stats.nfev  # two of the four steps
    assert at_ends.tolist() == free.tolist()
    assert inside.tolist() == (free + 2 * extra).tolist()


@pytest.mark.parametrize("name", LAZY)
def test_each_sample_pays_for_its_own(name: str) -> None:
    whole = solve(name, [0.3, 1.1], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        whole.saved, 1 / (1 + RATES * torch.tensor([0.3, 1.1])[:, None, None]), rtol=0, atol=1e-3
    )
    for i in range(3):
        alone = solve(name, [0.3, 1.1], [i], rtol=1e-4, atol=1e-4)
        assert alone.stats.nfev.item() == whole.stats.nfev[i].item()
        torch.testing.assert_close(alone.saved[:, 0], whole.saved[:, i], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", LAZY)
def test_dense_output_evaluates_them_when_asked_also_after_samples_have_left(name: str) -> None:
    trajectory = solve(name, None, rtol=1e-9, atol=1e-9, dense=True)
    times = torch.linspace(0, 2, 23, dtype=torch.float64)
    torch.testing.assert_close(trajectory.dense(times), 1 / (1 + RATES * times[:, None, None]), rtol=0, atol=1e-7)


@pytest.mark.parametrize("mode", ["direct", "checkpointed"])
@pytest.mark.parametrize("name", LAZY)
def test_gradients_pass_through_them(name: str, mode: str) -> None:
    rates = RATES.clone().requires_grad_()
    field = VectorField(lambda p, t, y: -p[0] * y * y, (rates,), (True,))
    times = torch.tensor([0.35, 1.3], dtype=torch.float64)
    start, options = torch.ones_like(RATES), {"save_at": times, "rtol": 1e-9, "atol": 1e-9}
    saved = solve_with_gradient(mode, field, METHODS[name], start, 0.0, 2.0, **options).saved
    (gradient,) = torch.autograd.grad(saved.sum(), rates)
    exact = sum(-t / (1 + RATES * t) ** 2 for t in times)
    torch.testing.assert_close(gradient, exact, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", LAZY)
def test_random_numbers_drawn_in_them_do_not_change_the_steps(name: str) -> None:
    def noisy(p: tuple, t: Tensor, y: Tensor) -> Tensor:
        return -y * torch.rand_like(y)

    ends = []
    for save_at in (None, torch.tensor([0.1, 0.7], dtype=torch.float64)):
        torch.manual_seed(0)
        y0 = torch.ones(2, 3, dtype=torch.float64)
        ends.append(integrate(VectorField(noisy), METHODS[name], y0, 0.0, 1.0, dt=0.25, save_at=save_at).y_end)
    assert torch.equal(*ends)


def test_the_combined_norm_of_two_errors() -> None:
    fine, coarse = torch.tensor([3.0, 0.0, 1.0, 0.0]), torch.tensor([40.0, 0.0, 0.0, 2.0])
    torch.testing.assert_close(combined(fine, coarse), torch.tensor([9.0 / 5.0, 0.0, 1.0, 0.0]))
    assert combined(torch.tensor([float("nan")]), torch.tensor([1.0])).isnan().all()
