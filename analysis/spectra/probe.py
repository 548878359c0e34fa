"""Whether a right-hand side is a function, and whether its derivatives are what automatic differentiation says."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import OptionError, StateError

from .differences import best_step, central_difference, length
from .unknowns import Unknowns

AGREEMENT = 1e-3
"""Relative difference between a derivative and the best central difference beyond which they disagree."""


def refuse_random(f: Callable[[Tensor], Tensor], point: Tensor) -> Tensor:
    """The rate at `point`, evaluated twice.

    Raises:
        OptionError: the two differ: dropout, or noise.
        StateError: the rate is not finite.
    """
    with torch.no_grad():
        first, second = f(point).detach(), f(point).detach()
    if not bool(torch.isfinite(first).all()):
        raise StateError("the right-hand side is not finite at this state")
    spread = float((first - second).abs().max())
    # Parallel sums may differ in their last digits.
    if spread > 100 * torch.finfo(point.dtype).eps * float(first.abs().max()):
        raise OptionError(
            f"f(t, y) gave two values at one state that differ by {spread:.2g}, so it has no Jacobian; "
            "switch dropout off with module.eval(), or freeze the noise"
        )
    return first


def obstacle(f: Callable[[Tensor], Tensor], point: Tensor, rate: Tensor, unknowns: Unknowns) -> str:
    """Why products by differentiation cannot be used; empty if they can.

    One random direction v and one random covector w: ``J v`` against a central difference, ``w J v`` against
    ``(J^T w) v``. A part that is detached, or computed outside torch, differs with probability 1.
    """
    rng = np.random.default_rng(11)
    v = unknowns.states(rng.standard_normal((unknowns.size, 1)))[0]
    w = unknowns.costates(rng.standard_normal((unknowns.size, 1)))[0]
    try:
        forward = torch.func.jvp(f, (point,), (v,))[1].detach()
        backward = torch.func.vjp(f, point)[1](w)[0].detach()
    except Warning:  # made an error by the caller, and nothing that the function said
        raise
    # Whatever a foreign function raises under a transform is the answer to the question, and is handed on.
    except Exception as failure:
        return f"torch cannot differentiate it ({type(failure).__name__}: {_first_line(failure)})"
    if not bool(torch.isfinite(forward).all() and torch.isfinite(backward).all()):
        return "its derivative is not finite at this state"
    gap = _gap(f, point, rate, v, forward)
    if gap > AGREEMENT:
        return f"its derivative differs from a central difference by {gap:.2g} of its size"
    ahead, back = float((w * forward).double().sum()), float((backward * v).double().sum())
    size = float(w.double().norm() * forward.double().norm()) + float(backward.double().norm() * v.double().norm())
    if abs(ahead - back) > AGREEMENT * size:
        return "its forward and reverse derivatives are not transposes of each other"
    return ""


def _gap(f: Callable[[Tensor], Tensor], point: Tensor, rate: Tensor, v: Tensor, forward: Tensor) -> float:
    """Relative distance to the nearest of some central differences; round-off of the differences is forgiven."""
    step, eps = best_step(point), torch.finfo(point.dtype).eps
    nearest = math.inf
    for factor in (1.0, 0.1, 0.01, 10.0, 100.0):
        difference = central_difference(f, point, v, factor * step)
        noise = eps * float(rate.norm()) / length(point, v, factor * step)
        size = float(torch.maximum(forward.norm(), difference.norm()))
        distance = max(float((forward - difference).norm()) - noise, 0.0)
        gap = distance / size if size > 0 else 0.0
        nearest = min(nearest, gap if math.isfinite(gap) else math.inf)
        if nearest <= AGREEMENT:
            break
    if nearest > AGREEMENT and not bool(forward.any()) and _vanishes(f, point, v, step):
        return 0.0
    return nearest


def _vanishes(f: Callable[[Tensor], Tensor], point: Tensor, v: Tensor, step: float) -> bool:
    """Whether differences fall with their step, so that the derivative is zero: as of ``u |u|`` at 0."""
    sizes = [float(central_difference(f, point, v, factor * step).norm()) for factor in (1.0, 0.1, 0.01)]
    return sizes[1] <= 0.2 * sizes[0] and sizes[2] <= 0.2 * sizes[1]


def _first_line(failure: Exception) -> str:
    lines = str(failure).strip().splitlines()
    return lines[0][:160] if lines else "no message"
