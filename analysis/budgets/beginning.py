"""The beginning of a problem, as far as a bounded amount of work reaches."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from fieldsolver.errors import FieldSolverError, FieldSolverWarning
from fieldsolver.solve import Solution, solve
from fieldsolver.stepping import Status

from ..problem import Problem

MOST_STEPS, FEWEST_STEPS = 400, 30
MOST_NUMBERS = 2**21
"""Numbers of state that all steps together may touch."""

SAVES = 41
OWN = (
    "save_at",
    "max_steps",
    "on_failure",
    "progress",
    "t_span",
    "dense",
    "checkpoint",
    "callback",
    "gradient",
    "check",
)
"""Settings of a problem that a study chooses for itself."""


def beginning(problem: Problem) -> tuple[Solution | None, str]:
    """The solution at 41 times until the end of the problem, or as far as it goes; None when no step succeeds.

    Beside it, why it ends before the problem does; empty when it does not.
    """
    steps = max(FEWEST_STEPS, min(MOST_STEPS, MOST_NUMBERS // max(1, problem.start.numel())))
    whole = _solved(problem, problem.t_span[1], steps)
    if whole is None or whole.success:
        return whole, ""
    ends = whole.t_end[torch.isfinite(whole.t_end)]
    reached = float(ends.min() if problem.t_span[1] > problem.t_span[0] else ends.max()) if ends.numel() else None
    if reached is None or reached == problem.t_span[0]:
        return None, ""
    part = _solved(problem, reached, 2 * steps)
    if part is None or not part.success:
        return None, ""
    return part, _why(whole, reached, problem.t_span[1])


def _why(whole: Solution, reached: float, end: float) -> str:
    """Steps that ran out are the study's own limit; anything else happened to the solution."""
    first = int((whole.status.reshape(-1) != Status.SUCCESS).nonzero()[0])
    if int(whole.status.reshape(-1)[first]) == Status.MAX_STEPS:
        return f"up to t = {reached:.4g} of {end:g}"
    return f"up to t = {reached:.4g} of {end:g}, where the solution ended: {whole.outcomes[first]}"


def _solved(problem: Problem, end: float, steps: int) -> Solution | None:
    settings: dict[str, Any] = {name: value for name, value in problem.settings.items() if name not in OWN}
    if problem.dt is not None:
        settings["dt"] = problem.dt
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", FieldSolverWarning)  # that the steps run out is meant
        try:
            return solve(
                problem.equation, problem.start, t_span=(problem.t_span[0], end), method=problem.method,
                save_at=torch.linspace(problem.t_span[0], end, SAVES, dtype=torch.float64), max_steps=steps,
                on_failure="keep", progress=problem.progress, check="off", **settings,
            )  # fmt: skip
        except FieldSolverError:
            return None
