"""Gradients of every method in every mode against central differences that replay the same steps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fieldsolver.gradients import solve_with_gradient
from fieldsolver.methods import METHODS
from fieldsolver.stepping import StepLog, Trajectory, VectorField, integrate

MODES = ["checkpointed", "direct"]
END = 1.5
TIMES = torch.tensor([0.0, 0.21, 0.9, 0.9, END], dtype=torch.float64)


def network(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
    weight, gain = p
    return torch.tanh(y @ weight) * gain + torch.cos(3 * t).to(y.dtype)[:, None] * y


def inputs(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    y0 = torch.randn(3, 2, generator=generator, dtype=dtype)
    weight = torch.randn(2, 2, generator=generator, dtype=dtype)
    gain = torch.tensor([[0.1], [1.0], [8.0]], dtype=dtype)  # per sample: different steps, some rejected
    return y0.requires_grad_(), weight.requires_grad_(), gain.requires_grad_()


def options(name: str, fixed: bool) -> dict:
    return {"dt": 0.1} if fixed or METHODS[name].error_order is None else {"rtol": 1e-3, "atol": 1e-4}


def loss(trajectory: Trajectory) -> Tensor:
    weights = torch.arange(1.0, 1 + TIMES.numel(), dtype=torch.float64)[:, None, None]
    return (weights * trajectory.saved.abs() ** 2).sum() + (trajectory.y_end.abs() ** 3).sum()


def central_differences(tensors: tuple[Tensor, ...], value: Callable[..., float], h: float) -> list[Tensor]:
    gradients = []
    for place, tensor in enumerate(tensors):
        gradient = torch.zeros_like(tensor)
        for i in range(tensor.numel()):
            sides = []
            for sign in (1, -1):
                moved = [x.detach().clone() for x in tensors]
                moved[place].view(-1)[i] += sign * h
                sides.append(value(*moved))
            gradient.view(-1)[i] = (sides[0] - sides[1]) / (2 * h)
        gradients.append(gradient)
    return gradients


@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "adaptive"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", METHODS)
def test_gradients_are_those_of_the_discrete_solution(name: str, mode: str, fixed: bool) -> None:
    method, (y0, *parameters) = METHODS[name], inputs()
    trajectory = solve_with_gradient(
        mode, VectorField(network, tuple(parameters)), method, y0, 0.0, END, save_at=TIMES, **options(name, fixed)
    )
    gradients = torch.autograd.grad(loss(trajectory), (y0, *parameters))
    log: StepLog = trajectory.steps

    def value(y0: Tensor, *parameters: Tensor) -> float:
        again = integrate(VectorField(network, parameters), method, y0, 0.0, END, save_at=TIMES, replay=log)
        return loss(again).item()

    for exact, difference in zip(gradients, central_differences((y0, *parameters), value, 1e-5), strict=True):
        torch.testing.assert_close(exact, difference, rtol=1e-6, atol=1e-6 * float(difference.abs().max()))


@pytest.mark.parametrize("per_sample", [None, (False, True)])
@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "adaptive"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", METHODS)
def test_all_modes_give_the_same_gradient_to_round_off(
    name: str, mode: str, fixed: bool, per_sample: tuple[bool, ...] | None
) -> None:
    results = []
    for which, flags in (("direct", None), (mode, per_sample)):
        y0, *parameters = inputs()
        trajectory = solve_with_gradient(
            which, VectorField(network, tuple(parameters), flags), METHODS[name], y0, 0.0, END, save_at=TIMES,
            **options(name, fixed),
        )  # fmt: skip
        results.append((trajectory, torch.autograd.grad(loss(trajectory), (y0, *parameters))))
    (reference, expected), (trajectory, gradients) = results
    torch.testing.assert_close(trajectory.saved, reference.saved, rtol=1e-13, atol=1e-13)
    for gradient, wanted in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("mode", MODES)
def test_complex_states_have_complex_gradients(mode: str) -> None:
    y0, weight, _ = inputs(torch.complex128)
    gain = torch.tensor([[0.5], [1.0], [2.0]], dtype=torch.float64, requires_grad=True)

    def solve(y0: Tensor, weight: Tensor, gain: Tensor) -> Tensor:
        field = VectorField(network, (weight, gain))
        return solve_with_gradient(mode, field, METHODS["tsit5"], y0, 0.0, 0.5, save_at=TIMES[:2], dt=0.25).saved

    assert torch.autograd.gradcheck(solve, (y0, weight, gain))


@pytest.mark.parametrize("mode", MODES)
def test_backward_integration_and_single_outputs(mode: str) -> None:
    for pick in ("saved", "y_end"):
        results = []
        for which in ("direct", mode):
            y0, *parameters = inputs()
            trajectory = solve_with_gradient(
                which, VectorField(network, tuple(parameters)), METHODS["tsit5"], y0, END, 0.0, save_at=TIMES.flip(0)
            )
            value = trajectory.saved[:2].sum() if pick == "saved" else trajectory.y_end.sum()
            results.append(torch.autograd.grad(value, (y0, *parameters), allow_unused=True))
        for gradient, wanted in zip(*results, strict=True):
            torch.testing.assert_close(gradient, wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("mode", MODES)
def test_gradients_of_the_linear_system_are_the_matrix_exponential(mode: str) -> None:
    a = torch.tensor([[0.0, 1.0], [-2.0, -0.3]], dtype=torch.float64, requires_grad=True)
    y0 = torch.tensor([[1.0, -1.0]], dtype=torch.float64, requires_grad=True)
    field = VectorField(lambda p, t, y: y @ p[0].T, (a,))
    y_end = solve_with_gradient(mode, field, METHODS["tsit5"], y0, 0.0, 1.0, rtol=1e-10, atol=1e-12).y_end
    exact = (torch.linalg.matrix_exp(a) @ y0[0])[None]
    weights = torch.tensor([[2.0, 3.0]], dtype=torch.float64)
    for got, wanted in zip(
        torch.autograd.grad((y_end * weights).sum(), (a, y0)),
        torch.autograd.grad((exact * weights).sum(), (a, y0)),
        strict=True,
    ):
        torch.testing.assert_close(got, wanted, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", METHODS)
def test_a_sample_that_waits_in_the_first_row_keeps_the_gradient_through_its_first_stage(name: str, mode: str) -> None:
    rows = {"t": [(0.0, 0.0), (0.1, 0.0), (0.2, 0.2)], "dt": [(0.1, 0.0), (0.1, 0.2), (0.1, 0.1)]}
    log = StepLog(
        **{key: [torch.tensor(row, dtype=torch.float64) for row in values] for key, values in rows.items()},
        t_end=torch.full((2,), 0.3, dtype=torch.float64), status=torch.ones(2, dtype=torch.int64),
    )  # fmt: skip

    def gradient(y0: Tensor, gain: Tensor, mode: str, log: StepLog) -> tuple[Tensor, ...]:
        field = VectorField(lambda p, t, y: p[0] * torch.sin(y) + torch.cos(t)[:, None], (gain,))
        trajectory = solve_with_gradient(mode, field, METHODS[name], y0, 0.0, 0.3, replay=log)
        return torch.autograd.grad(trajectory.y_end.square().sum(), (y0, gain))

    y0 = torch.tensor([[0.4], [1.1]], dtype=torch.float64, requires_grad=True)
    gain = torch.tensor(1.7, dtype=torch.float64, requires_grad=True)
    total = gradient(y0, gain, mode, log)
    parts = []
    for i, kept in ((0, [0, 1, 2]), (1, [1, 2])):
        alone = StepLog(
            [log.t[n][i : i + 1] for n in kept], [log.dt[n][i : i + 1] for n in kept], log.t_end[:1], log.status[:1]
        )
        parts.append(gradient(y0[i : i + 1].detach().requires_grad_(), gain, "direct", alone))
    torch.testing.assert_close(total[0], torch.cat([part[0] for part in parts]), rtol=1e-13, atol=0)
    torch.testing.assert_close(total[1], parts[0][1] + parts[1][1], rtol=1e-13, atol=0)
