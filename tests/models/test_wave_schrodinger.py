"""The nonlinear Schroedinger equation on tokens: conservation, order, and the engine's own answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import fieldsolver as fs
from fieldsolver.models.wave_network.schrodinger import SplitStep, declared, hermitian, phasor_less_one

N, D = 7, 3


def problem(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    H = hermitian(torch.randn(D, D, dtype=torch.float64, generator=draw))
    J, kappa = (torch.rand(D, dtype=torch.float64, generator=draw) + 0.3 for _ in range(2))
    return torch.randn(2, N, D, dtype=torch.complex128, generator=draw), H, J, kappa


def everyone(z: Tensor) -> Tensor:
    return torch.ones(z.shape[:2], dtype=torch.bool)


def stepped(z: Tensor, steps: int, duration: float, *coefficients: Tensor) -> Tensor:
    step = SplitStep.of(*coefficients, duration / steps)
    mask = everyone(z)
    for _ in range(steps):
        z = step(z, mask)
    return z


def solved(z: Tensor, duration: float, *coefficients: Tensor) -> Tensor:
    """Tokens stand last on a grid."""
    equation = declared(z.shape[1], *coefficients)
    solution = fs.solve(equation, z.mT.contiguous(), t_span=(0, duration), method="dop853", rtol=1e-12, atol=1e-13)
    return solution.y[-1].detach().mT


def test_steps_of_order_two_lead_to_the_solution_of_the_declared_equation() -> None:
    z, *coefficients = problem()
    exact = solved(z, 1.0, *coefficients)
    numbers = [20, 40, 80, 160]
    errors = [(stepped(z, steps, 1.0, *coefficients) - exact).abs().max().item() for steps in numbers]
    slope = -np.polyfit(np.log(numbers), np.log(errors), 1)[0]
    assert slope == pytest.approx(2, abs=0.15)
    assert errors[-1] < 1e-3


@pytest.mark.parametrize(("steps", "most"), [(1_000, 1e-13), pytest.param(10_000, 1e-12, marks=pytest.mark.slow)])
def test_the_norm_does_not_drift(steps: int, most: float) -> None:
    z, *coefficients = problem()
    start = z.abs().square().sum((1, 2))
    with torch.no_grad():
        end = stepped(z, steps, 0.1 * steps, *coefficients)
    drift = (end.abs().square().sum((1, 2)) / start - 1).abs().max().item()
    assert drift < most
    assert (end - z).abs().max() > 0.1


def test_a_step_goes_back_the_way_it_came() -> None:
    z, *coefficients = problem()
    there = stepped(z, 5, 1.0, *coefficients)
    torch.testing.assert_close(stepped(there, 5, -1.0, *coefficients), z, rtol=0, atol=1e-13)


def test_each_part_alone_is_what_it_stands_for() -> None:
    z, H, J, kappa = problem()
    none = torch.zeros_like(J)
    turned = stepped(z, 1, 0.4, 0 * H, none, kappa)  # the potential is a product with unit phasors, and exact
    torch.testing.assert_close(turned, z * torch.exp(-0.4j * kappa * z.abs().square()), rtol=1e-14, atol=1e-14)
    mixed = stepped(z, 1, 0.4, H, none, none)  # Cayley: (I + i dt H/2) z' = (I - i dt H/2) z
    unit = torch.eye(D, dtype=torch.complex128)
    torch.testing.assert_close(mixed @ (unit + 0.2j * H).mT, z @ (unit - 0.2j * H).mT, rtol=1e-13, atol=1e-13)
    pair = stepped(z[:, :2], 1, 0.4, 0 * H, J, none)  # one bond: exact
    bond = torch.tensor([[1.0, -1.0], [-1.0, 1.0]], dtype=torch.complex128)
    for k in range(D):
        exact = z[:, :2, k] @ torch.linalg.matrix_exp(-0.4j * J[k] * bond).mT
        torch.testing.assert_close(pair[:, :, k], exact, rtol=1e-13, atol=1e-13)


def test_padding_takes_no_part() -> None:
    z, *coefficients = problem()
    step = SplitStep.of(*coefficients, 0.1)
    mask = torch.arange(N).expand(2, -1) < 4
    torch.testing.assert_close(step(z, mask)[:, :4], step(z[:, :4], everyone(z[:, :4])), rtol=0, atol=1e-15)


def test_a_small_turn_keeps_its_digits() -> None:
    angle = torch.tensor([1e-9], dtype=torch.float64)
    assert phasor_less_one(angle).real.item() == pytest.approx(-5e-19, rel=1e-12)  # exp(1e-9 i).real - 1 is 0


def test_the_gradient_agrees_with_differences() -> None:
    z, _, J, kappa = problem()
    free = torch.randn(D, D, dtype=torch.float64, generator=torch.Generator().manual_seed(5))

    def end(z: Tensor, free: Tensor, J: Tensor, kappa: Tensor) -> Tensor:
        return torch.view_as_real(stepped(z, 2, 0.5, hermitian(free), J, kappa))

    inputs = (z[:1, :4], free, J, kappa)
    torch.autograd.gradcheck(end, tuple(one.detach().requires_grad_() for one in inputs))
