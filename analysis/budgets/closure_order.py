"""At which order in dt does the energy vanish that the steps add?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import OptionError, SolveFailed
from fieldsolver.methods import get_method
from fieldsolver.solve import Solution, solve

from ..orders.fit_order import OrderFit, fit_order
from ..orders.ladder import checked_ladder
from .budget import Budget
from .steps import follow
from .steps_at_once import added_at_once, suits

SAVES = 9
"""Times at which the energy added is looked at: at a single one it may pass through zero."""

FEWEST = 3
"""Sizes that an order with an interval needs."""

SLACK = 0.15
"""By which an observed order may miss that of the method."""


def closure_order(
    budget: Budget,
    start: Tensor,
    span: tuple[float, float],
    method: str,
    ladder: Sequence[float],
    confidence: float,
    progress: Callable[[float], None],
) -> OrderFit:
    """Solve with fixed steps of several sizes and fit the order of the energy that they add.

    Args:
        budget: splits the energy by terms.
        start: states ``(B, C, *grid)`` at the start of `span`.
        span: start and end.
        method: name of the method.
        ladder: step sizes from coarse to fine.
        confidence: of the interval of the order.
        progress: is told the share done.

    Raises:
        OptionError: a size of the ladder cannot be, or the method chooses its own steps.
    """
    steps, errors = checked_order_ladder(ladder), []
    for position, dt in enumerate(steps):
        errors.append(_added(budget, start, span, method, dt))
        progress((position + 1) / len(steps))
    return fit_order(steps, errors, confidence=confidence)


def checked_order_ladder(ladder: Sequence[float]) -> list[float]:
    """The sizes as floats.

    Raises:
        OptionError: one cannot be, or there are too few for an order.
    """
    steps = checked_ladder(ladder)
    if len(steps) < FEWEST:
        raise OptionError(f"ladder= needs {FEWEST} sizes or more for an order with an interval, got {steps}")
    return steps


def _added(budget: Budget, start: Tensor, span: tuple[float, float], method: str, dt: float) -> float:
    count = round(abs(span[1] - span[0]) / dt)
    divides = abs(count * dt - abs(span[1] - span[0])) <= 1e-9 * dt
    if divides and suits(budget, get_method(method), start, count):
        solution = _solved(budget, start, span, method, dt, count + 1)
        added = None if solution is None else added_at_once(budget, solution, get_method(method))
        if added is not None:
            return float(np.abs(added).max())
    solution = _solved(budget, start, span, method, dt, SAVES)
    if solution is None:
        return math.nan
    energy = budget.energy(solution.t.to(torch.float64).unsqueeze(-1), solution.y).cpu().numpy()
    work = follow(budget, solution, solution.y, energy, lambda share: None)
    if work.reason:
        raise OptionError(f"ladder= needs steps that can be followed, but {work.reason}; leave it out")
    return float(np.abs(work.numerical).max())


def _solved(
    budget: Budget, start: Tensor, span: tuple[float, float], method: str, dt: float, saves: int
) -> Solution | None:
    """None where the steps do not survive."""
    options: dict[str, Any] = {"check": "off", "backward": span[1] < span[0], "progress": False}
    try:
        with torch.no_grad():
            return solve(
                budget.equation, start, t_span=span, dt=dt, method=method,
                save_at=torch.linspace(*span, saves, dtype=torch.float64),
                max_steps=math.ceil(abs(span[1] - span[0]) / dt) + 1, **options,
            )  # fmt: skip
    except SolveFailed:
        return None
