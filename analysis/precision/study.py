"""The work-precision study of a declared problem, within a small budget of time: what the command line runs."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

import torch
from torch import Tensor

from fieldsolver.analysis.problem import Problem
from fieldsolver.analysis.work_precision import work_precision
from fieldsolver.errors import FieldSolverError, FieldSolverWarning
from fieldsolver.methods import get_method
from fieldsolver.results import AnalysisResult
from fieldsolver.solve import solve

from .dataset import nothing_compared

METHODS = ("bosh3", "tsit5", "dop853")
RTOLS = (1e-3, 1e-4, 1e-5, 1e-6)
REPEATS = 3
PILOT = "tsit5"
MOST_STEPS = 60
"""Of the pilot run; its end is that of the comparison."""
FEWEST_STEPS = 5
BUDGET = 4.0
"""Seconds that the comparison should take."""
RUNS_PER_PILOT = 14.0 * (REPEATS + 1) + 20.0
"""What everything costs in pilot runs: bosh3 at tight tolerances most, and the references 20."""
OWN = ("method", "dt", "save_at", "progress", "dense", "until", "rtol", "atol", "max_steps", "on_failure", "norm")
"""Settings of the problem that the comparison chooses itself."""


@dataclass(frozen=True)
class _Pilot:
    """How long the comparison may run, and the size of the state."""

    end: float
    size: float


def study(problem: Problem) -> AnalysisResult:
    """Three adaptive methods, and that of the problem, at four tolerances over the beginning of the problem.

    The span is what 60 steps of tsit5 at 1e-6 reach, less where they are slow, and ends before the first event.
    """
    equation = problem.equation
    if equation.noises:
        return nothing_compared("an equation with noise has no error at the end of one path; compare its moments")
    state = problem.start.detach()
    state = state.to(torch.complex128 if state.is_complex() else torch.float64)
    pilot = _pilot(problem, state)
    if isinstance(pilot, str):
        return nothing_compared(pilot)
    options = {name: value for name, value in problem.settings.items() if name not in OWN}
    methods, left_out = _compared_methods(problem.method)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FieldSolverWarning)  # of stiffness, which the comparison shows
            found = work_precision(
                equation, state, t_span=(problem.t_span[0], pilot.end), methods=methods, rtols=RTOLS,
                atol_ratio=pilot.size, repeats=REPEATS, progress=problem.progress, **options,
            )  # fmt: skip
    except FieldSolverError as error:
        return nothing_compared(f"the runs could not be made: {error}")
    if not left_out:
        return found
    return AnalysisResult(found.dataset, found.status, f"{found.reason}; {left_out}", found.schema)


def _compared_methods(own: str) -> tuple[tuple[str, ...], str]:
    """The methods of every study with that of the problem, and what to say where that one cannot take part."""
    if own in (*METHODS, "auto"):
        return METHODS, ""
    if get_method(own).error_order is None:
        return METHODS, f"{own}, the method of the problem, follows no tolerance: compare it by work_precision(dts=...)"
    return (*METHODS, own), ""


def _pilot(problem: Problem, state: Tensor) -> _Pilot | str:
    """A short run that shows what steps cost and how far they reach; or why there is none."""
    t0, t1 = problem.t_span
    size = float(state.abs().max()) or 1.0
    times, clock = [t0], [time.perf_counter()]

    def note(t: Tensor, y: Tensor) -> None:
        times.append(float(torch.as_tensor(t).max()))
        clock.append(time.perf_counter())

    options: dict[str, Any] = {name: value for name, value in problem.settings.items() if name not in OWN}
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FieldSolverWarning)  # that it ends early is meant
            run = solve(
                problem.equation, state, t_span=(t0, t1), method=PILOT, rtol=1e-6, atol=1e-6 * size,
                max_steps=MOST_STEPS, on_failure="keep", callback=note, progress=False, **options,
            )  # fmt: skip
    except FieldSolverError as error:
        return f"the first steps of the problem could not be made: {error}"
    seconds = median([later - earlier for earlier, later in pairwise(clock)] or [BUDGET])  # the first step prepares
    if run.events is not None and run.events.t.numel():
        before = t0 + 0.9 * (float(run.events.t.min()) - t0)
        times = [t for t in times if t <= before]
    steps = min(len(times) - 1, int(BUDGET / (seconds * RUNS_PER_PILOT)))
    if steps < FEWEST_STEPS:
        return (
            f"{steps} steps of {PILOT} fit into the span before the first event and into the time of a quick look; "
            "call work_precision with methods and tolerances of your own"
        )
    return _Pilot(times[steps], size)
