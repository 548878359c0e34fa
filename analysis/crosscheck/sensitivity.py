"""How much a problem magnifies small errors: no engine can be more accurate than that allows."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from fieldsolver.errors import SolveFailed
from fieldsolver.solve import solve

from .problem import CheckedProblem

PARTS = 4
DIRECTIONS = 2
SATURATED = 0.1
"""Beyond this relative change the growth is no longer linear, and what is measured is a lower bound."""

Advance = Callable[[CheckedProblem], Tensor | None]
"""The accurate end state of a problem; None where the engine does not arrive."""


def scaled_difference(y: Tensor, reference: Tensor, scale: float) -> float:
    """Largest of |y - reference| / (scale + |reference|)."""
    return float(((y - reference).abs() / (scale + reference.abs())).max())


def amplification(problem: CheckedProblem, advance: Advance, scale: float, size: float) -> float:
    """Largest growth, up to the end, of small random changes made at the start and after each quarter of the span.

    Args:
        problem: the problem.
        advance: solves a part of it accurately.
        scale: absolute part of the unit in which changes are measured.
        size: relative size of the changes, well above the tolerance of `advance`.

    Returns:
        The growth factor, a lower bound; infinite where a change is not small any more at the end, or the engine does
        not arrive.
    """
    generator = torch.Generator().manual_seed(0)
    times = [problem.t0 + (problem.t1 - problem.t0) * k / PARTS for k in range(PARTS + 1)]
    states = [problem.y0]
    for start, end in itertools.pairwise(times):
        following = advance(replace(problem, y0=states[-1], t0=start, t1=end))
        if following is None:
            return float("inf")
        states.append(following)
    largest = 0.0
    for start, y in zip(times[:-1], states[:-1], strict=True):
        for _ in range(DIRECTIONS):
            signs = torch.randint(0, 2, y.shape, generator=generator).to(y.real.dtype) * 2 - 1
            changed = advance(replace(problem, y0=y + size * signs * (scale + y.abs()), t0=start))
            if changed is None:
                return float("inf")
            change = scaled_difference(changed, states[-1], scale)
            if not change < SATURATED:
                return float("inf")
            largest = max(largest, change / size)
    return largest


def amplification_on_equal_steps(problem: CheckedProblem, tolerance: float, scale: float, budget: int) -> float:
    """Growth of small changes made at the start when the changed problem repeats the steps of the unchanged one.

    Two runs that choose their own steps also differ where a step happens to miss a jump of f. Equal steps leave the
    growth that belongs to the problem.

    Args:
        problem: the problem.
        tolerance: of the first run, relative; the changes are a hundred times as large.
        scale: absolute part of the unit in which changes are measured.
        budget: evaluations of f in one run.

    Returns:
        The growth factor, infinite where a change is not small any more at the end, or the first run does not arrive.
    """
    size, generator = 1e2 * tolerance, torch.Generator().manual_seed(0)
    options: dict[str, Any] = {
        "t_span": (problem.t0, problem.t1), "method": "tsit5", "gradient": "none", "progress": False,
        "max_steps": max(1, budget // 6), "rtol": tolerance, "atol": tolerance * scale,
    }  # fmt: skip
    if problem.args:
        options["args"] = problem.args
    try:
        first = solve(problem.original, problem.y0, **options)
        largest = 0.0
        for _ in range(DIRECTIONS):
            signs = torch.randint(0, 2, problem.y0.shape, generator=generator).to(problem.y0.real.dtype) * 2 - 1
            changed = problem.y0 + size * signs * (scale + problem.y0.abs())
            last = solve(problem.original, changed, **options, replay=first.steps).y[-1]
            largest = max(largest, scaled_difference(last, first.y[-1], scale))
    except SolveFailed:
        return float("inf")
    return largest / size if largest < SATURATED else float("inf")
