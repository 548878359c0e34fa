"""The solvers that are compared on initial value problems: how each is called, and what a solve costs it."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

import fieldsolver as fs

from .comparison import Measurement
from .problems import InitialValueProblem

if TYPE_CHECKING:
    import numpy as np

REFERENCE_RTOL, REFERENCE_ATOL = 1e-13, 1e-14


@dataclass(frozen=True)
class Task:
    """A problem with its initial states and tolerances.

    Attributes:
        problem: what is solved.
        y0: (C,) for one system, (B, C) for many.
        rtol, atol: tolerances of both sides.
    """

    problem: InitialValueProblem
    y0: Tensor
    rtol: float = 1e-6
    atol: float = 1e-9


def is_installed(module: str) -> bool:
    """Whether an optional package can be imported."""
    return importlib.util.find_spec(module) is not None


def absent(package: str, method: str) -> Measurement:
    """The side of a package that is not there."""
    return Measurement(f"{package} {method}", missing=f"{package} is not installed")


@torch.no_grad()
def solve_ours(task: Task, method: str) -> fs.Solution:
    """Our torch loop; the samples of a batch have steps of their own."""
    return fs.solve(
        task.problem.torch_f,
        task.y0,
        t_span=(0.0, task.problem.t_end),
        method=method,
        rtol=task.rtol,
        atol=task.atol,
        batch_dims=task.y0.dim() - 1,
        backend="torch",
        progress=False,
    )


@torch.no_grad()
def solve_torchdiffeq(task: Task, method: str, f: torch.nn.Module | None = None) -> Tensor:
    """torchdiffeq, with one step size for all samples; returns the state at the end."""
    from torchdiffeq import odeint

    times = torch.tensor([0.0, task.problem.t_end], dtype=torch.float64)
    return odeint(f or task.problem.torch_f, task.y0, times, rtol=task.rtol, atol=task.atol, method=method)[-1]


def count_ours(task: Task, method: str, reference: Tensor) -> Measurement:
    """Steps, evaluations and error of our loop, from an untimed run."""
    solution = solve_ours(task, method)
    cost = solution.stats
    return Measurement(
        f"fieldsolver {method}",
        accepted=cost.accepted.double().mean().item(),
        attempts=float((cost.accepted + cost.rejected).max().item()),
        evaluations=cost.nfev.double().mean().item(),
        error=typical_error(solution.y[-1], reference),
    )


class _Counted(torch.nn.Module):
    """f with the callbacks that torchdiffeq looks for."""

    def __init__(self, problem: InitialValueProblem) -> None:
        super().__init__()
        self.problem = problem
        self.evaluations = self.accepted = self.rejected = 0

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        self.evaluations += 1
        return self.problem.torch_f(t, y)

    def callback_accept_step(self, t: Tensor, y: Tensor, dt: Tensor) -> None:
        self.accepted += 1

    def callback_reject_step(self, t: Tensor, y: Tensor, dt: Tensor) -> None:
        self.rejected += 1


def count_torchdiffeq(task: Task, method: str, reference: Tensor) -> Measurement:
    """Steps, evaluations and error of torchdiffeq, from an untimed run with its callbacks."""
    counted = _Counted(task.problem)
    end = solve_torchdiffeq(task, method, counted)
    return Measurement(
        f"torchdiffeq {method}",
        accepted=counted.accepted,
        attempts=counted.accepted + counted.rejected,
        evaluations=counted.evaluations,
        error=typical_error(end, reference),
    )


def count_scipy(task: Task, method: str, reference: Tensor) -> Measurement:
    """Steps, evaluations and error of SciPy's `solve_ivp` on one system; it counts no rejected steps."""
    from scipy.integrate import solve_ivp

    span = (0.0, task.problem.t_end)
    run = solve_ivp(task.problem.numpy_f, span, task.y0.numpy(), method=method, rtol=task.rtol, atol=task.atol)
    return Measurement(
        f"scipy {method}",
        accepted=len(run.t) - 1,
        evaluations=run.nfev,
        error=typical_error(torch.from_numpy(run.y[:, -1]), reference),
    )


def reference_state(task: Task) -> Tensor:
    """The state at the end: the exact one where it is known, else SciPy's DOP853 with the tightest tolerances."""
    if task.problem.exact is not None:
        return torch.tensor(task.problem.exact, dtype=torch.float64)
    from scipy.integrate import solve_ivp

    components_first = task.y0.movedim(-1, 0)
    start: np.ndarray = components_first.reshape(-1).numpy()
    run = solve_ivp(
        task.problem.numpy_f,
        (0.0, task.problem.t_end),
        start,
        method="DOP853",
        rtol=REFERENCE_RTOL,
        atol=REFERENCE_ATOL,
    )
    return torch.from_numpy(run.y[:, -1]).reshape(components_first.shape).movedim(0, -1)


def typical_error(y: Tensor, reference: Tensor) -> float:
    """The largest error of a component; of many samples their median, since a few of a chaotic system say nothing."""
    return (y - reference).abs().amax(-1).median().item()
