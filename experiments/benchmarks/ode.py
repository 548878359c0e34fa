"""Benchmark `ode`: the eager torch loop.

Speed against torchdiffeq, per accepted step: wall time of the whole solve over the mean number of accepted steps of a
sample. In a batch our samples have steps of their own while torchdiffeq takes one step size for all; the passes of the
loop are therefore shown as well. Evaluations against SciPy: with the same method, tolerances and problem a solve should
not evaluate f much more often.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .comparison import Comparison, Quantity
from .problems import ARENSTORF, BRUSSELATOR, LORENZ, InitialValueProblem
from .result import OTHER, OURS
from .settings import BenchSettings
from .solvers import (
    Task,
    absent,
    count_ours,
    count_scipy,
    count_torchdiffeq,
    is_installed,
    reference_state,
    solve_ours,
    solve_torchdiffeq,
)
from .timing import measure_alternately

SPEED_BAR = 3.0
EVALUATIONS_BAR = 1.1
SYSTEMS = 1000
METHOD = "dopri5"
SAME_METHODS = {"dopri5": "RK45", "bosh3": "RK23", "dop853": "DOP853"}
PROBLEMS = (LORENZ, ARENSTORF, BRUSSELATOR)


def compare(settings: BenchSettings) -> list[Comparison]:
    """All cases."""
    comparisons = [
        speed("one Lorenz system", Task(LORENZ, _start(LORENZ)), settings),
        speed(f"{SYSTEMS} Lorenz systems at once", Task(LORENZ, lorenz_cloud(SYSTEMS)), settings),
    ]
    for problem in PROBLEMS:
        comparisons += evaluations(Task(problem, _start(problem)), settings)
    return comparisons


def speed(case: str, task: Task, settings: BenchSettings) -> Comparison:
    """Wall time per accepted step, with the same method, against torchdiffeq; steps are counted in other runs."""
    settings.say(f"{case}: wall time against torchdiffeq")
    present = is_installed("torchdiffeq")
    sides: dict[str, Callable[[], object]] = {OURS: lambda: solve_ours(task, METHOD)}
    if present:
        sides[OTHER] = lambda: solve_torchdiffeq(task, METHOD)
    times = measure_alternately(sides, settings)  # before all other runs, which would warm up too
    reference = reference_state(task)
    ours = count_ours(task, METHOD, reference).with_times(times[OURS])
    if present:
        other = count_torchdiffeq(task, METHOD, reference).with_times(times[OTHER])
    else:
        other = absent("torchdiffeq", METHOD)
    return Comparison(case, Quantity.SECONDS_PER_STEP, ours, other, SPEED_BAR)


def evaluations(task: Task, settings: BenchSettings) -> list[Comparison]:
    """Evaluations of f against SciPy's implementations of the same methods."""
    settings.say(f"{task.problem.name}: evaluations against SciPy")
    reference = reference_state(task)
    return [
        Comparison(
            f"{task.problem.name}, {ours}",
            Quantity.EVALUATIONS,
            count_ours(task, ours, reference),
            count_scipy(task, theirs, reference),
            EVALUATIONS_BAR,
        )
        for ours, theirs in SAME_METHODS.items()
    ]


def lorenz_cloud(count: int) -> Tensor:
    """(count, 3): (1, 1, 1) with normal deviations of size 1, always the same."""
    return 1 + torch.randn(count, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def _start(problem: InitialValueProblem) -> Tensor:
    return torch.tensor(problem.y0, dtype=torch.float64)
