"""Travelling fronts: their exact form and speed, and the speed of one that was computed."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def nagumo_front(x: Tensor, D: float = 1.0) -> Tensor:
    """``1/(1 + exp(x/sqrt(2 D)))``: the front of Nagumo's equation, 1 on the left and 0 on the right."""
    return torch.sigmoid(-x / math.sqrt(2 * D))


def nagumo_speed(D: float = 1.0, a: float = 0.25) -> float:
    """``sqrt(D/2) (1 - 2a)``, to the right where positive (J. D. Murray, Mathematical Biology I (2002), 13.5)."""
    return math.sqrt(D / 2) * (1 - 2 * a)


def fisher_speed(D: float = 1.0, r: float = 1.0, t: float = math.inf) -> float:
    """``2 sqrt(D r)``, which a front from a step approaches from below: ``2 - 3/(2 t) + (3/2) sqrt(pi) t^(-3/2)``.

    The approach is that of U. Ebert and W. van Saarloos, Physica D 146 (2000) 1, for D = r = 1 and times in
    units of 1/r; what it leaves out is O(1/t^2).
    """
    late = r * t
    return math.sqrt(D * r) * (2 - 1.5 / late + 1.5 * math.sqrt(math.pi) / late**1.5)


def front_positions(x: Tensor, values: Tensor, level: float = 0.5) -> Tensor:
    """Where each profile first falls below `level`, between points linearly: x ``(n,)``, values ``(T, n)`` -> ``(T,)``.

    NaN where it does not.
    """
    below = values < level
    right = below.int().argmax(-1)
    left = (right - 1).clamp(min=0)
    high, low = values.gather(-1, left[:, None])[:, 0], values.gather(-1, right[:, None])[:, 0]
    position = x[left] + (x[right] - x[left]) * (high - level) / (high - low)
    return torch.where(below.any(-1) & (right > 0), position, torch.nan)


def front_speed(t: Tensor, x: Tensor, values: Tensor, level: float = 0.5) -> float:
    """Slope of the least-squares line through the front's positions at times ``(T,)``."""
    time, position = t.double() - t.double().mean(), front_positions(x, values, level).double()
    return float((time * (position - position.mean())).sum() / time.square().sum())
