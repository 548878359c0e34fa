"""Candidate laws of an error that shrinks with h::

e(h) = C h^p (1 + a h^q) + f          pure: a = f = 0;  next order: q = 1 or 2;  f: a floor
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ErrorModel:
    """One candidate: `next_order` is q or None, `has_floor` tells whether f is free."""

    name: str
    next_order: int | None = None
    has_floor: bool = False

    @property
    def parameters(self) -> int:
        """k, the number of free parameters."""
        return 2 + (self.next_order is not None) + self.has_floor

    def allows(self, levels: int) -> bool:
        """Whether AICc exists (n > k + 1); three levels are enough for the pure law, which then has no rival."""
        return levels > self.parameters + 1 or (self.parameters == 2 and levels == 3)


MODELS: tuple[ErrorModel, ...] = (
    ErrorModel("pure"),
    ErrorModel("next order q=1", next_order=1),
    ErrorModel("next order q=2", next_order=2),
    ErrorModel("floor", has_floor=True),
    ErrorModel("next order q=1, floor", next_order=1, has_floor=True),
    ErrorModel("next order q=2, floor", next_order=2, has_floor=True),
)


def law(model: ErrorModel, theta: Floats, x: Floats) -> Floats:
    """e for theta = (ln C, p[, a][, ln f]) at x = h/h_coarsest."""
    a = theta[2] if model.next_order is not None else 0.0
    floor = math.exp(theta[-1]) if model.has_floor else 0.0
    return np.asarray(np.exp(theta[0]) * x ** theta[1] * (1 + a * x ** (model.next_order or 0)) + floor)


def log_jacobian(model: ErrorModel, theta: Floats, x: Floats) -> Floats:
    """d ln e / d theta, one column per parameter."""
    total = law(model, theta, x)
    floor = math.exp(theta[-1]) if model.has_floor else 0.0
    share = (total - floor) / total
    columns = [share, share * np.log(x)]
    if model.next_order is not None:
        columns.append(np.exp(theta[0]) * x ** (theta[1] + model.next_order) / total)
    if model.has_floor:
        columns.append(floor / total)
    return np.stack(columns, axis=1)
