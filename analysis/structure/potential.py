"""The function with a given gradient: the homotopy ``H(y) = int_0^1 <y - y0, K f(y0 + s (y - y0))> ds``."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..orders.models import Floats
from .system import System

NODES = 24
"""Gauss-Legendre nodes: exact along the line for right-hand sides of degree 47."""


class Potential:
    """``H`` with ``grad H = K f``, for a matrix K found by `find_forms`; zero at `base`.

    Args:
        system: the vector field.
        matrix: K, ``(c, c)``.
        base: the state y0 from which the line starts, ``(c, *grid)``; choose one where the rate is regular.
    """

    def __init__(self, system: System, matrix: Floats, base: Tensor) -> None:
        self.system = system
        self.matrix = torch.as_tensor(np.array(matrix), dtype=torch.float64)
        self.base = base
        nodes, weights = np.polynomial.legendre.leggauss(NODES)
        self._where = (nodes + 1) / 2
        self._weights = weights / 2

    def __call__(self, y: Tensor) -> Tensor:
        """``(K,)`` of states ``(K, c, *grid)``."""
        away = y - self.base
        total = torch.zeros(y.shape[0], dtype=torch.float64)
        for s, weight in zip(self._where, self._weights, strict=True):
            force = torch.einsum("ab,kb...->ka...", self.matrix, self.system(self.base + float(s) * away))
            total = total + float(weight) * (away * force * self.system.weights).flatten(1).sum(-1)
        return total

    def rate(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """``dH/dt`` along the system, and its size without cancellation, both ``(K,)``."""
        gradient = torch.func.grad(lambda states: self(states).sum())(y)
        power = (gradient * self.system(y)).flatten(1)
        return power.sum(-1), power.abs().sum(-1)
