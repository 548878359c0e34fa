"""Products with a Jacobian by central differences, where a right-hand side cannot be differentiated."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from .unknowns import Floats, Unknowns


def central_difference(f: Callable[[Tensor], Tensor], point: Tensor, v: Tensor, step: float) -> Tensor:
    """``(f(y + h v) - f(y - h v)) / 2h`` with h of `step` relative to the sizes of y and v; error O(h^2)."""
    if not bool(v.any()):
        return torch.zeros_like(point)
    h = length(point, v, step)
    with torch.no_grad():
        return (f(point + h * v) - f(point - h * v)) / (2 * h)


def length(point: Tensor, v: Tensor, step: float) -> float:
    """The factor of `v` that moves the state by `step` of its own largest entry (of 1 at the zero state)."""
    return step * (float(point.abs().max()) or 1.0) / float(v.abs().max())


def best_step(point: Tensor) -> float:
    """Where truncation h^2 and round-off eps/h are equal: the cube root of the precision."""
    return float(torch.finfo(point.dtype).eps ** (1 / 3))


def difference_products(f: Callable[[Tensor], Tensor], point: Tensor, unknowns: Unknowns, columns: Floats) -> Floats:
    """``J v`` for columns ``(n, m)``, two evaluations each."""
    step = best_step(point)
    parts = [unknowns.vectors(central_difference(f, point, v, step)[None]) for v in unknowns.states(columns)]
    return np.concatenate(parts, axis=1)
