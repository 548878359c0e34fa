"""The order in time of the method of a declared problem, over a short span: what the command line runs."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import FieldSolverWarning, SolveFailed
from fieldsolver.methods import METHODS
from fieldsolver.results import AnalysisResult, Verdict
from fieldsolver.solve import solve

from .orders.dataset import nothing_measured
from .problem import Problem
from .time_convergence import time_convergence

PILOT_STEPS = 30
"""Steps of the first run, which shows how large steps become."""

STEPS = (6, 9, 13, 19, 28)
"""Steps over the span, per level."""

TRIES = 3
LARGER, SMALLER = 2.5, 0.4
"""A ladder at round-off starts again with larger steps, one that blows up or drifts with smaller ones."""

SMALL = 1e-11
"""Finest errors below this share of the state are taken for round-off."""

ROUNDING = 1e-15
"""Share of the state that rounding changes by; no order is fitted through errors within ten times of it."""

LARGEST_WORK = 2e9
"""Entries of the state times evaluations; a problem that would need more is not studied by itself."""

SETTINGS = (
    "method", "dt", "save_at", "progress", "dense", "until", "rtol", "atol", "controller",
    "first_step", "dt_min", "dt_max", "norm", "land_at", "restart_at",
)  # fmt: skip
"""Settings of the problem that do not belong to runs with fixed steps."""


def study(problem: Problem) -> AnalysisResult:
    """Fixed steps around the size that the problem's own tolerances choose, compared with finer ones of its method.

    The span is a few such steps from the start, and ends before the first event. The order in space is not measured:
    the initial state is known on this grid only. `grid_convergence` measures it against a manufactured solution.
    """
    if problem.equation.noises:
        return nothing_measured("an equation with noise has orders in the mean only; run stochastic_convergence", "dt")
    state = problem.start.detach()
    state = state.to(torch.complex128 if state.is_complex() else torch.float64)
    natural = _natural_step(problem, state)
    if isinstance(natural, str):
        return nothing_measured(natural, "dt")
    work = state.numel() * _evaluations(natural.method)
    if work > LARGEST_WORK:
        return nothing_measured(
            f"{state.numel()} unknowns make too long a ladder; call time_convergence with dts of your own",
            "dt",
        )
    return _first_order(problem, state, natural)


@dataclass(frozen=True)
class _Natural:
    """What the problem's own settings do: the method, the step, the time before the first event, the largest value."""

    method: str
    dt: float
    room: float
    size: float


def _natural_step(problem: Problem, state: Tensor) -> _Natural | str:
    """The largest accepted step of a short run, whose first ones are small; or why there is none."""
    t0, t1 = problem.t_span
    settings: dict[str, Any] = {
        **problem.settings,
        "method": problem.method,
        "dt": problem.dt,
        "max_steps": PILOT_STEPS,
        "on_failure": "keep",
        "progress": False,
        "save_at": None,
    }
    times, sizes = [t0], [float(state.abs().max())]

    def note(t: Tensor, y: Tensor) -> None:
        times.append(float(torch.as_tensor(t).max()))
        sizes.append(float(y.abs().max()))

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FieldSolverWarning)  # that it ends early is meant
        run = solve(
            problem.equation,
            state,
            t_span=(t0, t1),
            callback=note,
            **settings,
        )
    method = run.stats.method
    if method not in METHODS or not METHODS[method].fixed_steps:
        return f"method {method!r} chooses its steps and its order together; run tolerance_convergence instead"
    steps = torch.tensor(times, dtype=torch.float64).diff()
    steps = steps[steps > 0]
    if not steps.numel():
        return "no step was accepted at the start of the problem, so there is nothing to refine"
    room = t1 - t0
    if run.events is not None and run.events.t.numel():
        room = min(room, 0.9 * (float(run.events.t.min()) - t0))
    return _Natural(method, problem.dt or float(steps.max()), room, max(sizes))


def _first_order(problem: Problem, state: Tensor, natural: _Natural) -> AnalysisResult:
    """The first ladder that shows an order; else what the last one showed."""
    multiple, shown = 1.0, nothing_measured("no step was short enough for a finite solution", "dt")
    for _ in range(TRIES):
        span = min(natural.room, multiple * natural.dt * STEPS[0])
        try:
            result = _ladder(problem, state, natural, span)
        except SolveFailed:  # even the reference
            multiple *= SMALLER
            continue
        errors = result["error"].values
        if not np.isfinite(errors).all() or errors[0] > natural.size:
            multiple *= SMALLER
            continue
        if result.status is Verdict.PASS:
            return result
        shown = result
        multiple *= LARGER if errors[-1] < SMALL * natural.size else SMALLER
    return shown


def _ladder(problem: Problem, state: Tensor, natural: _Natural, span: float) -> AnalysisResult:
    t0 = problem.t_span[0]
    options = {key: value for key, value in problem.settings.items() if key not in SETTINGS}
    return time_convergence(
        problem.equation,
        state,
        t_span=(t0, t0 + span),
        method=natural.method,
        floor=ROUNDING * natural.size,
        dts=[span / count for count in STEPS],
        progress=problem.progress,
        **{**options, "check": "off"},
    )


def _evaluations(method: str) -> float:
    """Of one ladder with its references."""
    finest = STEPS[-1] * 16 * 1.5
    return METHODS[method].stages * (sum(STEPS) + finest)
