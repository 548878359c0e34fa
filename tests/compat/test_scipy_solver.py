"""`scipy_solver`: SciPy's integrators through `odeint`, without gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torchdiffeq
from torch import Tensor, nn

import fieldsolver as fs
from fieldsolver.compat import OdeintFailed
from fieldsolver.errors import FieldSolverWarning, OptionError

F64 = torch.float64
Y0 = torch.tensor([[1.0, 0.3]], dtype=F64)


def oscillator(t: Tensor, y: Tensor) -> Tensor:
    return torch.stack([y[..., 1], -y[..., 0] + 0.1 * torch.sin(t)], dim=-1)


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("options", [{}, {"solver": "RK45"}, {"solver": "DOP853"}, {"solver": "Radau"}], ids=str)
def test_values(options: dict[str, Any], backward: bool) -> None:
    t = torch.linspace(0.0, 2.0, 5, dtype=F64)
    t = t.flip(0) if backward else t
    ours = fs.odeint(oscillator, Y0, t, method="scipy_solver", options=options)
    torch.testing.assert_close(
        ours, torchdiffeq.odeint(oscillator, Y0, t, rtol=1e-10, atol=1e-11), rtol=1e-6, atol=1e-6
    )
    assert ours.shape == (5, 1, 2)


def test_a_stiff_problem_that_explicit_methods_do_not_solve_in_these_steps() -> None:
    """Robertson's, at t = 40: reference values from Hairer, Wanner, Solving ODEs II, table for IVP codes."""

    def robertson(t: Tensor, y: Tensor) -> Tensor:
        a, b, c = y.unbind()
        first = -0.04 * a + 1e4 * b * c
        third = 3e7 * b**2
        return torch.stack([first, -first - third, third])

    t = torch.tensor([0.0, 40.0], dtype=F64)
    y = fs.odeint(
        robertson, torch.tensor([1.0, 0.0, 0.0], dtype=F64), t, method="scipy_solver", options={"solver": "Radau"}
    )
    expected = torch.tensor([0.7158270688, 0.9185534765e-5, 0.2841637457], dtype=F64)
    torch.testing.assert_close(y[-1], expected, rtol=1e-5, atol=0.0)


def test_tuples_and_single_precision() -> None:
    y0 = (torch.ones(2), torch.zeros(()))
    y, q = fs.odeint(
        lambda t, s: (-s[0], s[0].sum()), y0, torch.tensor([0.0, 1.0]), method="scipy_solver", rtol=1e-5, atol=1e-6
    )
    assert y.dtype == q.dtype == torch.float32
    torch.testing.assert_close(q[-1].item(), 2.0 * (1.0 - 0.36787944), rtol=1e-4, atol=0.0)


def test_options_that_torchdiffeq_ignores_are_ignored() -> None:
    t = torch.tensor([0.0, 1.0], dtype=F64)
    options = {"norm": torch.linalg.norm, "grid_points": t, "eps": 1e-3, "min_step": 1e-6, "max_step": 0.1}
    fs.odeint(oscillator, Y0, t, method="scipy_solver", options=options)


def test_gradients_are_refused_or_missing_with_a_word() -> None:
    t = torch.tensor([0.0, 1.0], dtype=F64)
    with pytest.warns(FieldSolverWarning, match="no gradients"):
        y = fs.odeint(oscillator, Y0.clone().requires_grad_(), t, method="scipy_solver")
    assert not y.requires_grad

    class Field(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(2, 2, dtype=F64)

        def forward(self, t: Tensor, y: Tensor) -> Tensor:
            return self.linear(y)

    with pytest.raises(OptionError, match="no gradients"):
        fs.odeint_adjoint(Field(), Y0, t, method="scipy_solver")
    with torch.no_grad():
        fs.odeint_adjoint(Field(), Y0, t, method="scipy_solver")


def test_failures_and_unknown_solvers() -> None:
    t = torch.tensor([0.0, 2.0], dtype=F64)
    with pytest.raises(OdeintFailed, match="RK45"):
        fs.odeint(lambda t, y: y**2, torch.ones(1, dtype=F64), t, method="scipy_solver", options={"solver": "RK45"})
    with pytest.raises(OptionError, match="LSODA"):
        fs.odeint(oscillator, Y0, t, method="scipy_solver", options={"solver": "CVODE"})
