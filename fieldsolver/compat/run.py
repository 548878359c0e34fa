"""One solve: the loop with the chosen steps, in one of the two ways to a gradient."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fieldsolver.errors import FieldSolverWarning
from fieldsolver.gradients import solve_with_gradient
from fieldsolver.stepping import Status, Trajectory, VectorField, integrate

from .errors import OdeintFailed
from .output_times import moved_to, start_shift
from .problem import Problem
from .steps import Steps

WORDS = {
    Status.DT_UNDERFLOW: "underflow in dt",
    Status.MAX_STEPS: "max_num_steps exceeded",
    Status.NON_FINITE: "non-finite values in state `y`",
}
"""How torchdiffeq's assertions begin."""


class GradientMode(Protocol):
    """How gradients are made."""

    @property
    def name(self) -> str:
        """The mode's in `fieldsolver.gradients`."""
        ...

    def field(self, problem: Problem, shift: Tensor | None) -> VectorField:
        """The right-hand side of the problem shifted in time; None is not shifted."""
        ...


@dataclass(frozen=True)
class Recorded:
    """Every accepted step is recorded; whatever func captures gets its gradient."""

    name: str = "direct"

    def field(self, problem: Problem, shift: Tensor | None) -> VectorField:
        """The problem's own."""
        if shift is None:
            return problem.field()

        def function(parameters: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
            return problem.rate(t[0] + shift, y[0]).unsqueeze(0)

        return VectorField(function)


def run(problem: Problem, steps: Steps, t: Tensor, mode: GradientMode, end: float | None = None) -> Tensor:
    """Solve, and return the states at the output times.

    Args:
        problem: what is solved.
        steps: how to step.
        t: (T,) output times, T >= 2.
        mode: how gradients are made.
        end: where the integration ends; None: at the last output time.

    Returns:
        (T, *state).

    Raises:
        OdeintFailed: the chosen steps did not lead to the end.
    """
    moves = t.requires_grad and torch.is_grad_enabled() and not steps.carries_time
    shift = start_shift(t) if moves else None
    field, y0 = mode.field(problem, shift), problem.y0.unsqueeze(0)
    if steps.carries_time:
        field = field.with_parameters((*field.parameters, t))  # the graph that f itself does not show
    times = t.detach().double().cpu()
    span = float(times[0]), float(times[-1]) if end is None else end
    trajectory = _solved(field, steps, y0, span, times, mode.name)
    saved = trajectory.saved[:, 0]
    status = Status(int(trajectory.status[0]))
    if status != Status.SUCCESS:
        _report(problem, steps, status, float(trajectory.t_end[0]), saved)
    return saved if shift is None else moved_to(problem, t, shift, saved)


def _solved(
    field: VectorField, steps: Steps, y0: Tensor, span: tuple[float, float], times: Tensor, mode: str
) -> Trajectory:
    """Callbacks see each step once: a first run without a graph makes them, and its steps are repeated with one."""
    if steps.calling is not None:
        with torch.no_grad(), steps.calling.calling():
            found = integrate(
                field, steps.calling, y0.detach(), *span, **steps.options, save_at=times,
                callback=steps.calling.accepted,
            )  # fmt: skip
        if not torch.is_grad_enabled() or Status(int(found.status[0])) != Status.SUCCESS:
            return found
        steps = steps.repeated(found.steps)
    return solve_with_gradient(mode, field, steps.method, y0, *span, **steps.options, save_at=times)


def _report(problem: Problem, steps: Steps, status: Status, t_end: float, saved: Tensor) -> None:
    """Chosen steps that fail are an error, as in torchdiffeq; on a grid torchdiffeq goes on with NaN."""
    sentence = f"at t = {t_end:.6g}: {status.sentence}"
    if steps.grid is not None:
        warnings.warn(f"{sentence} The states behind are NaN.", FieldSolverWarning, stacklevel=4)
        return
    raise OdeintFailed(f"{WORDS.get(status, 'failed')} {sentence}", problem.to_user(saved.detach()))
