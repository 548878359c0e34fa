"""What `solve` returns, made of what the loop has returned: costs and states with the user's batch axes and names."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fieldsolver.methods import Method
from fieldsolver.stepping import Trajectory

from .events import labelled
from .problem import Problem
from .solution import Solution, SolveStatistics
from .steady_state import resting, resting_dense, time_to_converge


def statistics_of(
    problem: Problem, trajectory: Trajectory, method: Method, reason: str, mode: str, seconds: float, t0: float
) -> SolveStatistics:
    """Costs of a solve, in the user's batch axes.

    Args:
        problem: what was solved.
        trajectory: what came of it.
        method: the scheme.
        reason: why this one.
        mode: name of the gradient mode.
        seconds: how long it took.
        t0: start.
    """
    costs = trajectory.stats
    shaped = {
        name: problem.to_user(getattr(costs, name))
        for name in ("accepted", "rejected", "nfev", "smallest_dt", "largest_dt", "stiffness_ratio", "stiff_from")
    }
    if trajectory.residual is not None:
        shaped["residual"] = problem.to_user(trajectory.residual)
        shaped["time_to_converge"] = problem.to_user(time_to_converge(trajectory, t0))
    return SolveStatistics(
        method=method.name, reason=reason, backend="torch", gradient=mode, seconds=seconds,
        backward=trajectory.backward, **shaped,
    )  # fmt: skip


def solution_of(
    problem: Problem, trajectory: Trajectory, times: Tensor, stats: SolveStatistics, options: dict[str, Any],
    span: float, ponder: Tensor | None,
) -> Solution:  # fmt: skip
    """The solution, in the user's batch axes; samples at rest stay as they are.

    Args:
        problem: what was solved.
        trajectory: what came of it.
        times: (T,) float64, the save points.
        stats: costs.
        options: of the solve, as attributes of a file.
        span: t1 - t0.
        ponder: (B,), if it was asked for.
    """
    dense = resting_dense(trajectory, span)
    return Solution(
        t=times,
        y=_projected(problem, times, resting(trajectory.saved, times, trajectory, span)),
        status=problem.to_user(trajectory.status),
        t_end=problem.to_user(trajectory.t_end),
        stats=stats,
        equation=problem.equation,
        steps=trajectory.steps,
        events=labelled(trajectory.events, problem.equation),
        dense=None if dense is None else lambda t: problem.to_user(dense(t), torch.as_tensor(t).dim()),
        attributes=options,
        ponder=None if ponder is None else problem.to_user(ponder),
    )


def _projected(problem: Problem, times: Tensor, saved: Tensor) -> Tensor:
    """Saved states with the user's batch axes, and nodes on Dirichlet walls at their values."""
    values = problem.to_user(saved, leading=1)
    equation = problem.equation
    if equation is None or not equation.holds_nodes:
        return values
    rows = [equation.project(t, row) for t, row in zip(times.to(values.device), values, strict=True)]
    return torch.stack(rows)
