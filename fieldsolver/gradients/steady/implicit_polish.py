"""Newton steps on the ends of a run, with f alone: J v is a difference of two evaluations.

Source: D. A. Knoll, D. E. Keyes, *Jacobian-free Newton-Krylov methods*, J. Comput. Phys. 193 (2004) 357-397,
sections 2.1 to 2.3.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from fieldsolver.stepping import Status, SteadyState, Trajectory, VectorField
from fieldsolver.stepping.arithmetic import masked
from fieldsolver.stepping.steady import scaled_residual

from .gmres import norm
from .implicit_solver import LinearSolver, flat, like_state

ENOUGH = 1e-6
"""Relative residual of the linear systems: a difference quotient knows no more of J v."""


def polished(found: Trajectory, field: VectorField, solver: LinearSolver, until: SteadyState, steps: int) -> Trajectory:
    """The run with y_end closer to the roots of f, where it is at rest; residual and evaluations follow.

    Args:
        found: the run.
        field: the right-hand side.
        solver: of the linear systems.
        until: says how residuals are scaled.
        steps: at most; a sample takes no more once its residual does not fall.
    """
    t, y, taken = found.t_end.to(found.y_end.device), found.y_end, 0
    going, tolerances = (found.status == Status.STEADY).to(y.device), until.tolerances(y)

    with torch.no_grad():
        rate = field(t, y)
        evaluations, residual = 1, scaled_residual(rate, y, *tolerances)
        while taken < steps and going.any():
            correction, applications = _newton(field, solver, t, y, masked(going, rate, torch.zeros_like(rate)))
            new_y = y + correction
            new_rate = field(t, new_y)
            new_residual = scaled_residual(new_rate, new_y, *tolerances)
            going = going & (new_residual < residual)
            y, rate = masked(going, new_y, y), masked(going, new_rate, rate)
            residual = torch.where(going, new_residual, residual)
            taken, evaluations = taken + 1, evaluations + applications + 1
    at_rest = found.status == Status.STEADY
    stats = replace(found.stats, nfev=found.stats.nfev + torch.where(at_rest, evaluations, 0))
    return replace(found, y_end=y, stats=stats, residual=_updated(found, residual, at_rest))


def _newton(field: VectorField, solver: LinearSolver, t: Tensor, y: Tensor, rate: Tensor) -> tuple[Tensor, int]:
    """d (B, *state) with J d = -f, and the evaluations of f that it took."""
    start, length = flat(y), norm(flat(y))
    # The step of a difference quotient: sqrt(eps) of the state, for vectors of length one.
    h = torch.finfo(start.dtype).eps ** 0.5 * torch.where(length > 0, length, 1.0).to(start.dtype).unsqueeze(1)
    here = flat(field(t, y))

    def times_jacobian(v: Tensor) -> Tensor:
        size = norm(v).to(v.dtype).unsqueeze(1)
        step = torch.where(size > 0, h / size, 0)
        there = flat(field(t, like_state(start + step * v, y)))
        return torch.where(step > 0, (there - here) / step, 0)

    solution = solver.solve(times_jacobian, -flat(rate), max(ENOUGH, solver.tolerance(start.dtype)))
    return like_state(solution.x, y), solution.applications + 1


def _updated(found: Trajectory, residual: Tensor, at_rest: Tensor) -> Tensor | None:
    return None if found.residual is None else torch.where(at_rest, residual.double().cpu(), found.residual)
