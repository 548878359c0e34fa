"""States at which a system is asked; never points of a trajectory, which would carry the error of an integrator."""

from __future__ import annotations

import torch
from torch import Tensor

from .system import System

WAVES = 3
"""Smooth states are sums of so many waves along each axis."""


def generator_of(seed: int) -> torch.Generator:
    """The source of every random number of a study."""
    return torch.Generator().manual_seed(seed)


def spread_states(system: System, count: int, generator: torch.Generator) -> Tensor:
    """Independent normal numbers, ``(count, c, *grid)``: rough fields, or points around the origin."""
    return system.settle(torch.randn(count, *system.shape, dtype=torch.float64, generator=generator))


def positive_states(system: System, count: int, generator: torch.Generator) -> Tensor:
    """Log-normal numbers of median 1, where logarithms exist."""
    return system.settle(torch.exp(0.6 * spread_states(system, count, generator)))


def smooth_states(system: System, count: int, generator: torch.Generator, *, positive: bool = False) -> Tensor:
    """Fields ``(count, c, *grid)`` of a few long waves that meet periodic or mirroring walls."""
    fields = 0.3 * torch.randn(
        count, system.components, *[1] * len(system.grid), dtype=torch.float64, generator=generator
    )
    for _ in range(WAVES):
        wave = torch.randn(count, system.components, dtype=torch.float64, generator=generator) / WAVES**0.5
        wave = wave.reshape(*wave.shape, *[1] * len(system.grid))
        for axis, points in enumerate(system.grid):
            wave = wave * _waves(system, axis, points, (count, system.components), generator)
        fields = fields + wave
    return system.settle(torch.exp(0.5 * fields) if positive else fields)


def _waves(system: System, axis: int, points: int, lead: tuple[int, int], generator: torch.Generator) -> Tensor:
    where = (torch.arange(points, dtype=torch.float64) + 0.5) / points
    number = torch.randint(0, WAVES + 1, lead, generator=generator).to(torch.float64).unsqueeze(-1)
    phase = torch.rand(*lead, dtype=torch.float64, generator=generator).unsqueeze(-1)
    if is_periodic(system, axis):
        values = torch.cos(2 * torch.pi * (number * where + phase))
    else:
        values = torch.cos(torch.pi * number * where)
    shape = [*lead, *[1] * len(system.grid)]
    shape[2 + axis] = points
    return values.reshape(shape)


def is_periodic(system: System, axis: int) -> bool:
    """Whether one axis of the grid closes on itself; False for the line of unknowns of a function."""
    if system.equation is None or system.equation.layout.grid is None:
        return False
    return system.equation.layout.is_periodic(axis)


def finite(states: Tensor, rates: Tensor) -> tuple[Tensor, Tensor]:
    """The samples whose rate is finite."""
    kept = torch.isfinite(rates.flatten(1)).all(1)
    return states[kept], rates[kept]


FRESH = 64
FRESH_FIELDS = 16


class FreshStates:
    """The states on which claims are tested: others than those that a search has seen, unless they were given.

    Args:
        system: the vector field.
        seed: of the search.
        given: states ``(K, c, *grid)`` of the user, or None.
    """

    def __init__(self, system: System, seed: int, given: Tensor | None) -> None:
        self.system, self.seed, self.given = system, seed, given

    def __call__(self, positive: bool = False) -> Tensor:
        """``(K, c, *grid)``: smooth on a grid, points around the origin without one."""
        if self.given is not None:
            return self.given
        generator = generator_of(self.seed + 2)
        if self.system.grid:
            return smooth_states(self.system, FRESH_FIELDS, generator, positive=positive)
        return (positive_states if positive else spread_states)(self.system, FRESH, generator)
