"""The rate of a quantity along a system, at random states, and its size without cancellation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fieldsolver.errors import OptionError

from ..budgets.density import Energy
from .system import System

ROUND_OFF = 1e-11
"""Relative rates up to here count as zero."""


@dataclass(frozen=True)
class Rates:
    """Rates of one quantity at ``K`` states.

    Attributes:
        rate: ``(K,)``.
        size: ``(K,)``: the sum of the magnitudes of what was added up.
        states: ``(K, c, *grid)``.
    """

    rate: Tensor
    size: Tensor
    states: Tensor

    @property
    def relative(self) -> Tensor:
        """``(K,)``: between -1 and 1."""
        return self.rate / self.size.clamp_min(1e-300)

    @property
    def defect(self) -> float:
        """Largest relative rate, of either sign."""
        return float(self.relative.abs().max()) if self.rate.numel() else float("nan")

    @property
    def growth(self) -> float:
        """Largest relative growth; 0 where it never grows."""
        return float(self.relative.clamp_min(0).max()) if self.rate.numel() else float("nan")

    @property
    def worst(self) -> int:
        """The state of the largest relative rate."""
        return int(self.relative.abs().argmax())


Quantity = Callable[[Tensor], Tensor]
"""Values ``(K,)`` of states ``(K, c, *grid)``."""


def integral(system: System, text: str) -> Quantity:
    """The integral of a density of the equation language; the value itself without a grid."""
    if system.equation is None:
        raise OptionError(f"a function f(t, y) of many unknowns has no densities; drop {text!r}, or pass a function")
    energy = Energy(system.equation, text)

    def quantity(y: Tensor) -> Tensor:
        return energy(torch.zeros(y.shape[0], dtype=torch.float64), system.native(y))

    return quantity


def rates_of(system: System, quantity: Quantity, y: Tensor) -> Rates:
    """The rate at states where it is finite."""
    gradient = torch.func.grad(lambda states: quantity(states).sum())(y)
    power = (gradient * system(y)).flatten(1)
    rate, size = power.sum(-1), power.abs().sum(-1)
    kept = torch.isfinite(rate)
    return Rates(rate[kept], size[kept], y[kept])
