"""Adams methods on a grid: their weights against the published ones, their order, uneven grids."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.compat.adams import integration_weights
from fieldsolver.errors import FieldSolverWarning

F64 = torch.float64

# Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I (1993), section III.1, the formulas (1.5') of
# Adams-Bashforth and (1.9') of Adams-Moulton; newest value first.
BASHFORTH = {
    1: "1",
    2: "3/2 -1/2",
    3: "23/12 -16/12 5/12",
    4: "55/24 -59/24 37/24 -9/24",
}
MOULTON = {
    2: "1/2 1/2",
    3: "5/12 8/12 -1/12",
    4: "9/24 19/24 -5/24 1/24",
    5: "251/720 646/720 -264/720 106/720 -19/720",
}


def exact(weights: str) -> list[float]:
    return [float(Fraction(weight)) for weight in weights.split()]


@pytest.mark.parametrize("order", BASHFORTH)
def test_explicit_weights(order: int) -> None:
    nodes = tuple(float(-j) for j in range(order))
    np.testing.assert_allclose(integration_weights(nodes), exact(BASHFORTH[order]), rtol=1e-13)


@pytest.mark.parametrize("order", MOULTON)
def test_implicit_weights(order: int) -> None:
    nodes = tuple(float(1 - j) for j in range(order))
    np.testing.assert_allclose(integration_weights(nodes), exact(MOULTON[order]), rtol=1e-13)


@pytest.mark.parametrize("count", range(1, 13))
def test_weights_integrate_polynomials_on_uneven_nodes(count: int) -> None:
    nodes = np.array([0.0, *-np.cumsum(np.random.default_rng(0).uniform(0.5, 1.5, count - 1))])
    weights = np.array(integration_weights(tuple(nodes)))
    for power in range(count):
        scale = np.abs(weights) @ np.abs(nodes) ** power + 1.0
        assert abs(weights @ nodes**power - 1.0 / (power + 1)) < 1e-13 * scale


@pytest.mark.parametrize("uneven", [False, True])
@pytest.mark.parametrize(
    ("method", "max_order", "order"), [("explicit_adams", 4, 3), ("explicit_adams", 5, 4), ("implicit_adams", 4, 4)]
)
def test_order_on_even_and_uneven_grids(method: str, max_order: int, order: int, uneven: bool) -> None:
    """On y' = -y cos t + t, whose right-hand side depends on time."""

    def grid(steps: int) -> Any:
        s = torch.linspace(0.0, 2.0, steps + 1, dtype=F64)
        return lambda f, y0, t: s + (0.12 * torch.sin(torch.pi * s) if uneven else 0.0) * (s < 2.0) * (s > 0.0)

    def f(t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return -y * torch.cos(t) + t

    t, y0 = torch.tensor([0.0, 2.0], dtype=F64), torch.ones(1, dtype=F64)
    exact_end = fs.odeint(f, y0, t, rtol=1e-12, atol=1e-13)[-1]
    errors = []
    for steps in (80, 160, 320):
        options = {"grid_constructor": grid(steps), "max_order": max_order, "max_iters": 20}
        errors.append((fs.odeint(f, y0, t, method=method, options=options)[-1] - exact_end).abs().item())
    slopes = np.log2(errors[:-1]) - np.log2(errors[1:])
    assert abs(slopes[-1] - order) <= 0.15, slopes


def test_orders_below_four_are_the_starting_method() -> None:
    def f(t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return -y * torch.cos(t)

    t, y0 = torch.linspace(0.0, 1.0, 11, dtype=F64), torch.ones(1, dtype=F64)
    rk4 = fs.odeint(f, y0, t, method="rk4")
    for order in (1, 2, 3):
        with pytest.warns(FieldSolverWarning, match="rk4"):
            y = fs.odeint(f, y0, t, method="implicit_adams", options={"max_order": order})
        torch.testing.assert_close(y, rk4, rtol=1e-14, atol=0.0)


def test_an_iteration_that_does_not_converge_says_so() -> None:
    t, y0 = torch.linspace(0.0, 2.0, 21, dtype=F64), torch.ones(1, dtype=F64)
    with pytest.warns(FieldSolverWarning, match="did not converge"):
        fs.odeint(lambda t, y: -3.0 * y, y0, t, method="implicit_adams", options={"max_iters": 1})


def test_implicit_option_of_the_implicit_name() -> None:
    t, y0 = torch.linspace(0.0, 1.0, 21, dtype=F64), torch.ones(1, dtype=F64)
    explicit = fs.odeint(lambda t, y: -y, y0, t, method="explicit_adams", options={"max_order": 5})
    told = fs.odeint(lambda t, y: -y, y0, t, method="fixed_adams", options={"max_order": 5, "implicit": False})
    assert torch.equal(explicit, told)
