"""One training step through a neural ODE, as each package does it: solve, loss, gradient of the parameters.

A side is a function without arguments that makes the step and returns the gradient, flat; what a solve costs is counted
in another run, without a clock.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import fieldsolver as fs

from .comparison import Measurement

Side = Callable[[], Tensor]


@dataclass(frozen=True)
class TrainingTask:
    """A right-hand side with weights, and where it starts.

    Attributes:
        network: y (B, C) -> (B, C), layers of `nn.Linear` with `nn.Tanh` between them.
        y0: (B, C).
        t_end: the span is 0 to this.
        rtol, atol: tolerances of all sides.
    """

    network: nn.Sequential
    y0: Tensor
    t_end: float = 1.0
    rtol: float = 1e-4
    atol: float = 1e-6

    def double(self) -> TrainingTask:
        """The same in float64 with tight tolerances, for the reference."""
        return TrainingTask(deepcopy(self.network).double(), self.y0.double(), self.t_end, 1e-10, 1e-12)


class RightHandSide(nn.Module):
    """f(t, y), with a count of its evaluations and the callbacks that torchdiffeq looks for."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.evaluations = self.accepted = self.rejected = 0

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        self.evaluations += 1
        rate: Tensor = self.network(y)
        return rate

    def callback_accept_step(self, t: Tensor, y: Tensor, dt: Tensor) -> None:
        self.accepted += 1

    def callback_reject_step(self, t: Tensor, y: Tensor, dt: Tensor) -> None:
        self.rejected += 1


def loss(y_end: Tensor) -> Tensor:
    """Mean square of the states at the end."""
    return y_end.square().mean()


def ours(task: TrainingTask, method: str, gradient: str, *, own_steps: bool) -> Side:
    """fieldsolver; `own_steps`: every sample has its own, otherwise the batch is one system."""
    f = RightHandSide(task.network)

    def step() -> Tensor:
        return _gradient(f, _solved(f, task, method, gradient, own_steps).y[-1])

    return step


def count_ours(task: TrainingTask, method: str, gradient: str, *, own_steps: bool, reference: Tensor) -> Measurement:
    """Steps and evaluations of the solution (the backward pass may repeat some), and the error of the gradient."""
    f = RightHandSide(task.network)
    solution = _solved(f, task, method, gradient, own_steps)
    cost = solution.stats
    return Measurement(
        f"fieldsolver {method}",
        accepted=cost.accepted.double().mean().item(),
        attempts=float((cost.accepted + cost.rejected).max().item()),
        evaluations=cost.nfev.double().mean().item(),
        error=relative_error(_gradient(f, solution.y[-1]), reference),
    )


def _solved(f: nn.Module, task: TrainingTask, method: str, gradient: str, own_steps: bool) -> fs.Solution:
    return fs.solve(
        f,
        task.y0,
        t_span=(0.0, task.t_end),
        method=method,
        rtol=task.rtol,
        atol=task.atol,
        batch_dims=int(own_steps),
        gradient=gradient,
        progress=False,
    )


def torchdiffeq(task: TrainingTask, method: str, *, adjoint: bool) -> Side:
    """torchdiffeq: one step size for the batch; through the steps, or by its continuous adjoint."""
    import torchdiffeq as package

    solve = package.odeint_adjoint if adjoint else package.odeint
    f = RightHandSide(task.network)
    times = torch.tensor([0.0, task.t_end], dtype=task.y0.dtype)

    def step() -> Tensor:
        return _gradient(f, solve(f, task.y0, times, rtol=task.rtol, atol=task.atol, method=method)[-1])

    return step


def count_torchdiffeq(task: TrainingTask, method: str, *, adjoint: bool, reference: Tensor) -> Measurement:
    """Steps and evaluations of the forward pass, and the error of the gradient."""
    import torchdiffeq as package

    f, times = RightHandSide(task.network), torch.tensor([0.0, task.t_end], dtype=task.y0.dtype)
    with torch.no_grad():
        package.odeint(f, task.y0, times, rtol=task.rtol, atol=task.atol, method=method)
    return Measurement(
        f"torchdiffeq {method}",
        accepted=f.accepted,
        attempts=f.accepted + f.rejected,
        evaluations=f.evaluations,
        error=relative_error(torchdiffeq(task, method, adjoint=adjoint)(), reference),
    )


def reference_gradient(task: TrainingTask) -> Tensor:
    """The gradient in float64 with tight tolerances, by the discrete adjoint of our `dop853`."""
    return ours(task.double(), "dop853", "direct", own_steps=True)()


def relative_error(gradient: Tensor, reference: Tensor) -> float:
    """Distance over the norm of the reference."""
    return ((gradient.double() - reference).norm() / reference.norm()).item()


def _gradient(f: nn.Module, y_end: Tensor) -> Tensor:
    parts = torch.autograd.grad(loss(y_end), tuple(f.parameters()))
    return torch.cat([part.reshape(-1) for part in parts])
