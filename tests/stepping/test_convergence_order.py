"""Observed orders of every method and of its dense output, on problems with known solutions, autonomous and not."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from fieldsolver.methods import METHODS, Method
from fieldsolver.stepping import Trajectory, VectorField, integrate


class Problem(NamedTuple):
    f: Callable[[tuple, Tensor, Tensor], Tensor]
    exact: Callable[[Tensor], Tensor]  # (T,) float64 -> (T, *state)


def stack(*components: Tensor) -> Tensor:
    return torch.stack(components, dim=-1)


# Chosen so that the fifth-order term of tsit5, which is unusually small, dominates before round-off does.
PROBLEMS = {
    "scalar, autonomous": Problem(lambda p, t, y: 3 * torch.cos(y) ** 2, lambda t: torch.atan(3 * t)),
    "scalar, non-autonomous": Problem(lambda p, t, y: 3 * torch.cos(3 * t) * y, lambda t: torch.exp(torch.sin(3 * t))),
    "vector, autonomous": Problem(
        lambda p, t, y: (1 + (y * y).sum(-1, keepdim=True)) * stack(-y[:, 1], y[:, 0]),
        lambda t: stack(torch.cos(2 * t), torch.sin(2 * t)),
    ),
    "vector, non-autonomous": Problem(
        lambda p, t, y: stack(y[:, 1], 3 * torch.cos(2 * t) - y[:, 0]),
        lambda t: stack(2 * torch.cos(t) - torch.cos(2 * t), 2 * torch.sin(2 * t) - 2 * torch.sin(t)),
    ),
    "complex, autonomous": Problem(lambda p, t, y: 2j * y * y.abs() ** 2, lambda t: torch.exp(2j * t)),
    "complex, non-autonomous": Problem(
        lambda p, t, y: (3j * torch.cos(t) + 0.5 * t) * y, lambda t: torch.exp(3j * torch.sin(t) + 0.25 * t * t)
    ),
}
SPAN = 2.0


def run(problem: Problem, method: Method, steps: int) -> tuple[Trajectory, float]:
    y0 = problem.exact(torch.zeros(1, dtype=torch.float64))
    trajectory = integrate(VectorField(problem.f), method, y0, 0.0, SPAN, dt=SPAN / steps, dense=True)
    exact = problem.exact(torch.tensor([SPAN], dtype=torch.float64))
    return trajectory, float((trajectory.y_end - exact).abs().max())


def slope(steps: list[int], errors: list[float]) -> float:
    return float(-np.polyfit(np.log(steps), np.log(errors), 1)[0])


def ladder(method: Method) -> list[int]:
    """Step counts in the asymptotic range, above round-off."""
    return {1: [200, 400, 800], 2: [100, 200, 400]}.get(method.order, [96, 128, 192, 256])


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("name", METHODS)
def test_the_method_converges_with_its_order(name: str, problem: str) -> None:
    method = METHODS[name]
    errors = [run(PROBLEMS[problem], method, steps)[1] for steps in ladder(method)]
    assert slope(ladder(method), errors) == pytest.approx(method.order, abs=0.15)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("name", METHODS)
def test_dense_output_converges_off_the_grid(name: str, problem: str) -> None:
    """Its error is that of the steps, O(h^p), plus that of the interpolant, O(h^(p* + 1))."""
    method, exact = METHODS[name], PROBLEMS[problem].exact
    times = torch.linspace(0.0, SPAN, 1237, dtype=torch.float64)
    errors = []
    for steps in ladder(method):
        dense = run(PROBLEMS[problem], method, steps)[0].dense
        errors.append(float((dense(times)[:, 0] - exact(times)).abs().max()))
    assert slope(ladder(method), errors) == pytest.approx(min(method.order, method.interpolant_order + 1), abs=0.15)


@pytest.mark.parametrize("name", METHODS)
def test_the_interpolant_has_its_order_within_one_step(name: str) -> None:
    method, problem = METHODS[name], PROBLEMS["vector, non-autonomous"]
    y0, t0 = problem.exact(torch.zeros(1, dtype=torch.float64)), torch.zeros(1, dtype=torch.float64)
    theta = torch.linspace(0.1, 0.9, 9, dtype=torch.float64)
    counts, errors = [8, 11, 16, 23], []
    for count in counts:
        dt = torch.full((1,), 1.0 / count, dtype=torch.float64)
        step = method.step(VectorField(problem.f), t0, dt, y0)
        inside = [method.interpolate(step, x.reshape(1)) for x in theta]
        errors.append(max(float((y - problem.exact(x * dt)).abs().max()) for y, x in zip(inside, theta, strict=True)))
    assert slope(counts, errors) == pytest.approx(method.interpolant_order + 1, abs=0.25)


ADAPTIVE = [name for name, method in METHODS.items() if method.error_order is not None]


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("name", ADAPTIVE)
def test_the_error_follows_the_tolerance(name: str, problem: str) -> None:
    exact = PROBLEMS[problem].exact
    y0, end = exact(torch.zeros(1, dtype=torch.float64)), exact(torch.tensor([SPAN], dtype=torch.float64))
    tolerances = [1e-3, 1e-4, 1e-5] if METHODS[name].order < 4 else [10.0**-k for k in range(3, 11)]
    for tolerance in tolerances:
        trajectory = integrate(
            VectorField(PROBLEMS[problem].f), METHODS[name], y0, 0.0, SPAN, rtol=tolerance, atol=tolerance
        )
        ratio = float((trajectory.y_end - end).abs().max()) / tolerance
        assert 1e-3 < ratio < 1e2, (tolerance, ratio)
        assert trajectory.stats.rejected.max() <= 0.25 * trajectory.stats.accepted.max() + 2
