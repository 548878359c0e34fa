"""Quadrature: what is kept, how the solution is read from it, and that diffusion is no trouble."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import fieldsolver as fs
from fieldsolver.gradients import Quadrature
from fieldsolver.gradients.continuous.adjoint_parameters import ParameterQuadrature
from fieldsolver.gradients.continuous.adjoint_stored import StoredSolution
from fieldsolver.methods import METHODS, get_method
from fieldsolver.stepping import VectorField, integrate

ABLE = [name for name, method in METHODS.items() if method.interpolant_order is not None]


def test_diffusion_has_the_gradient_of_direct() -> None:
    def gradients(gradient: str, **tolerances: float) -> list[Tensor]:
        x = (torch.arange(16, dtype=torch.float64) + 0.5) / 16
        u = (1.0 + torch.sin(2 * torch.pi * x)).requires_grad_()
        equation = fs.FieldEquation(
            "du/dt = D*laplacian(u) + r*u*(1 - u)", grid=fs.Grid(shape=(16,), extent=1.0), boundary=fs.Neumann(0),
            parameters={"D": fs.Parameter(0.1), "r": fs.Parameter(2.0)},
        ).double()  # fmt: skip
        y = fs.solve(equation, {"u": u}, t_span=(0, 1), save_at=[0.3, 1.0], gradient=gradient, **tolerances).y
        return list(torch.autograd.grad((y * torch.arange(16)).square().sum(), (u, *equation.parameters())))

    expected = gradients("direct", rtol=1e-11, atol=1e-13)
    for found, wanted in zip(gradients("quadrature", rtol=1e-9, atol=1e-11), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ABLE)
def test_the_stored_solution_is_the_dense_output(name: str) -> None:
    method = get_method(name)
    control = {"rtol": 1e-5, "atol": 1e-7} if name in ("tsit5", "dop853", "abm") else {"dt": 0.1}
    speeds = torch.tensor([[1.0], [7.0], [2.5]], dtype=torch.float64)
    for flags in ((True,), None):
        stored = StoredSolution(1.0)
        field = VectorField(lambda p, t, y: -p[0] * y + torch.sin(3 * t).unsqueeze(1), (speeds,), flags)
        y0 = torch.tensor([[1.0, 2.0], [-1.0, 0.5], [0.3, 0.1]], dtype=torch.float64)
        found = integrate(field, method, y0, 0.0, 2.0, dense=True, observers=(stored,), **control)
        stored.close()
        generator = torch.Generator().manual_seed(0)
        for rows in ([0, 1, 2], [2, 0], [1]):
            times = 2.0 * torch.rand(len(rows), dtype=torch.float64, generator=generator)
            expected = torch.stack([found.dense(t)[row] for t, row in zip(times, rows, strict=True)])
            torch.testing.assert_close(stored(times, torch.tensor(rows)), expected, rtol=1e-12, atol=1e-13)
        ends = stored(torch.tensor([0.0, 2.0, 2.0], dtype=torch.float64), torch.arange(3))
        torch.testing.assert_close(ends, torch.stack([y0[0], *found.y_end[1:]]), rtol=1e-9, atol=1e-11)


def test_what_is_kept_are_both_ends_and_the_stages_of_each_step() -> None:
    y0 = torch.ones(2, 1, dtype=torch.float64, requires_grad=True)
    field = VectorField(lambda p, t, y: -y)
    for name, stages in (("tsit5", 7), ("rk4", 4), ("dop853", 13 + 3)):
        found = Quadrature().solve(field, get_method(name), y0, 0.0, 1.0, dt=0.05)
        found.y_end.sum().backward()
        assert found.backward.peak_states == 20 * (2 + stages)


@pytest.mark.parametrize("name", ABLE)
def test_the_nodes_are_exact_for_polynomials_of_the_degree_that_the_interpolant_deserves(name: str) -> None:
    method = get_method(name)
    quadrature = ParameterQuadrature(lambda field, t, z: (field, z, z), [], [], torch.ones(1))
    integrate(
        VectorField(lambda p, t, y: -y), method, torch.ones(1, 1, dtype=torch.float64), 0.0, 0.1,
        observers=(quadrature,), **({"dt": 0.1} if method.fixed_steps else {}),
    )  # fmt: skip
    nodes, weights = quadrature.nodes, quadrature.weights
    for degree in range(method.interpolant_order + 1):
        assert np.dot(weights, nodes**degree) == pytest.approx(1 / (degree + 1), rel=1e-13)


def test_parameters_are_evaluated_in_accepted_steps_only() -> None:
    # An evaluation with a graph to the parameters belongs to a node: three for each step of tsit5, never to a stage.
    seen = []

    def rate(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
        if p[0].requires_grad and torch.is_grad_enabled():
            seen.append(1)
        return -p[0] * y

    k, y0 = torch.tensor([0.5], dtype=torch.float64, requires_grad=True), torch.ones(1, 1, dtype=torch.float64)
    y_end = Quadrature().solve(VectorField(rate, (k,), (False,)), get_method("tsit5"), y0, 0.0, 1.0, dt=0.125).y_end
    seen.clear()
    y_end.sum().backward()
    assert len(seen) == 3 * 8


@pytest.mark.parametrize("flags", [(False,), None], ids=["compacted", "masked"])
def test_a_rejected_step_that_is_not_finite_leaves_the_shared_gradient_alone(flags: tuple | None) -> None:
    # y' = -p sqrt(y): the first step of sample 0 lands on a negative y, while that of sample 1 is accepted.
    p = torch.tensor([1.0], dtype=torch.float64)
    y0 = torch.tensor([[0.01], [4.0]], dtype=torch.float64)
    field = VectorField(lambda p, t, y: -p[0] * torch.sqrt(y), (p,), flags)
    totals: list[Tensor | None] = [None]
    ones = torch.ones(2, dtype=torch.float64)
    quadrature = ParameterQuadrature(lambda f, t, z: (f, z, torch.ones_like(z)), [0], totals, ones)
    found = integrate(
        field, get_method("tsit5"), y0, 0.0, 0.15, first_step=0.15, rtol=1e-9, atol=1e-11, observers=(quadrature,)
    )
    assert found.stats.rejected[0] > 0
    assert totals[0] is not None
    # The run is taken for one from t1 to t0: minus the integral of df/dp = -sqrt(y), which is y0 - y(T).
    torch.testing.assert_close(totals[0], (y0 - found.y_end).sum().reshape(1), rtol=1e-8, atol=0)
