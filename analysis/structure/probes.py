"""Bilinear probes of a Jacobian J.

``sum_ab K_ab (<v_a, J w_b> - <w_a, J v_b>)`` is zero for all v and w exactly if K J is symmetric.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..orders.models import Floats
from .samples import finite, smooth_states, spread_states
from .system import System

COUNT = 12
"""Probes beyond the number of unknown matrix entries."""
LARGEST = 12
"""Up to so many components a matrix is fitted; beyond, only the identity is tried."""


@dataclass(frozen=True)
class Probes:
    """Jacobian products at random states in random directions.

    Attributes:
        first, second: ``(P, c, c)``: ``<v_a, J w_b>`` and ``<w_a, J v_b>``, inner products with the cell weights.
        size: ``(P, c, c)``: the sum of the magnitudes of both, without cancellation.
        jacobian_products: how many were computed.
    """

    first: Floats
    second: Floats
    size: Floats
    jacobian_products: int

    def twist(self, matrix: Floats) -> float:
        """How far ``K J`` is from symmetric: the largest probe relative to its size; 0 for symmetric."""
        return _largest(np.einsum("ab,pab->p", matrix, self.first - self.second), self._size(matrix))

    def stretch(self, matrix: Floats) -> float:
        """How far ``K J`` is from skew, in the same measure."""
        return _largest(np.einsum("ab,pab->p", matrix, self.first + self.second), self._size(matrix))

    def _size(self, matrix: Floats) -> Floats:
        return np.asarray(np.einsum("ab,pab->p", np.abs(matrix), self.size))


def probe(system: System, generator: torch.Generator, states: Tensor | None = None) -> Probes:
    """Ask the Jacobian at random states, by forward-mode products; states are smooth on a grid."""
    count = COUNT + min(system.components, LARGEST) ** 2
    y = states if states is not None else (smooth_states if system.grid else spread_states)(system, count, generator)
    y = y[torch.arange(count) % y.shape[0]]
    y, _ = finite(y, system(y))
    v, w = (_free(system, spread_states(system, y.shape[0], generator)) for _ in range(2))
    jv = torch.func.jvp(system, (y,), (v,))[1]
    jw = torch.func.jvp(system, (y,), (w,))[1]
    first, second = _inner(system, v, jw), _inner(system, w, jv)
    size = _inner(system, v.abs(), jw.abs()) + _inner(system, w.abs(), jv.abs())
    return Probes(first.numpy(), second.numpy(), size.numpy(), 2 * y.shape[0])


def _free(system: System, direction: Tensor) -> Tensor:
    """A direction that leaves the values at walls and outside a mask alone."""
    return (
        direction - system.settle(torch.zeros_like(direction))
        if system.equation is None
        else _changes(system, direction)
    )


def _changes(system: System, direction: Tensor) -> Tensor:
    return torch.func.jvp(system.settle, (torch.zeros_like(direction),), (direction,))[1]


def _inner(system: System, left: Tensor, right: Tensor) -> Tensor:
    """``(P, c, c)``."""
    flat = (left * system.weights).reshape(left.shape[0], system.components, -1)
    return flat @ right.reshape(right.shape[0], system.components, -1).transpose(1, 2)


def _largest(values: Floats, sizes: Floats) -> float:
    return float((np.abs(values) / np.where(sizes > 0, sizes, 1.0)).max(initial=0.0))
