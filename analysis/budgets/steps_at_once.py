"""The energy that equal steps of a Runge-Kutta method add, with all steps taken again at once.

When the solution is saved at the end of every step, each step starts from a known state and needs no other one: they
are samples of one batch, which costs hardly more than a single step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.methods import ExplicitRungeKutta, Method

from ..orders.models import Floats
from .budget import Budget
from .steps import AGREEMENT, Quadrature

MOST_NUMBERS = 2**24
"""Numbers of state that all steps together may have."""


def suits(budget: Budget, method: Method, start: Tensor, steps: int) -> bool:
    """Whether the steps can be one batch: parameters of single samples would belong to the wrong ones."""
    shared = all(item.place != "per sample" for item in budget.equation.declared.values())
    mask = budget.equation.layout.mask
    plain = isinstance(method, ExplicitRungeKutta) and shared and (mask is None or mask.samples is None)
    return plain and start.device.type == "cpu" and start.numel() * (steps + 1) <= MOST_NUMBERS


def added_at_once(budget: Budget, solution: Any, method: Method) -> Floats | None:
    """``E - E(0)`` minus the work of all terms at the ends of all steps, ``(N + 1, B)``.

    None where the saved states are not those between the steps.

    Args:
        budget: splits the energy by terms.
        solution: saved at the ends of all steps, ``y (N + 1, B, C, *grid)``.
        method: that made it.
    """
    log, y = solution.steps, solution.y.detach()
    if log is None or log.interruptions is not None or len(log) != len(y) - 1 or not torch.isfinite(y).all():
        return None
    starts, sizes = (torch.from_numpy(np.array(part)) for part in log.rows)
    pieces = max(1, y[0].numel())
    quadrature, rows = Quadrature(budget, method), max(1, MOST_NUMBERS // (64 * pieces))
    tolerance = max(AGREEMENT, torch.finfo(y.real.dtype).eps ** 0.5) * float(y.abs().max())
    work = []
    for first in range(0, len(sizes), rows):
        piece = slice(first, first + rows)
        t, dt = starts[piece].reshape(-1), sizes[piece].reshape(-1)
        before, after = y[:-1][piece].flatten(0, 1), y[1:][piece].flatten(0, 1)
        with torch.no_grad():
            step = method.step(budget.equation, t, dt, before, estimate=False)
            whole = method.extend(budget.equation, step)
        if float((budget.equation.project(t + dt, step.y_new) - after).abs().max()) > tolerance:
            return None
        quadrature.add(whole, torch.ones_like(t))
        work.append(quadrature.take()[:, 0].sum(dim=0).reshape(-1, y.shape[1]))
    total = torch.cat(work).cumsum(dim=0)
    energy = budget.energy(solution.t.detach().to(torch.float64).unsqueeze(-1), y).detach().cpu()
    change = energy - energy[0]
    return np.asarray((change - torch.cat([torch.zeros_like(total[:1]), total])).numpy())
