"""The beginning of a problem, as far as a bounded amount of work reaches."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from fieldsolver.errors import FieldSolverError, FieldSolverWarning
from fieldsolver.solve import Solution, solve

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


def beginning(problem: Problem) -> Solution | None:
    """The solution at 41 times until the end of the problem, or until the steps run out; None when none succeeds."""
    steps = max(FEWEST_STEPS, min(MOST_STEPS, MOST_NUMBERS // max(1, problem.start.numel())))
    whole = _solved(problem, problem.t_span[1], steps)
    if whole is None or whole.success:
        return whole
    ends = whole.t_end[torch.isfinite(whole.t_end)]
    reached = float(ends.min() if problem.t_span[1] > problem.t_span[0] else ends.max()) if ends.numel() else None
    if reached is None or reached == problem.t_span[0]:
        return None
    part = _solved(problem, reached, 2 * steps)
    return part if part is not None and part.success else None


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
