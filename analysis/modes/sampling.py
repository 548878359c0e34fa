"""Which wave numbers to look at: enough to meet every band between the scales of the symbol."""

from __future__ import annotations

import itertools
import math

import numpy as np

from fieldsolver.equations import FieldEquation

from .numbers import Floats
from .symbol import Ray

LINEAR, GEOMETRIC = 800, 400
FEW_WAVES = 8
LEAST = 60
ABOVE, BELOW = 4.0, 1e-3
"""How far beyond the largest and below the smallest scale to look, in their units."""
PER_OSCILLATION = 16


def scales(ray: Ray) -> list[float]:
    """Wave numbers at which two powers of kappa are of equal size, and the inverse reach of every kernel."""
    powers = {p: float(np.abs(matrix).max()) for p, matrix in ray.powers().items()}
    found = [
        (powers[p] / powers[q]) ** (1 / (q - p)) for p, q in itertools.combinations(sorted(powers), 2) if powers[q] > 0
    ]
    return found + [math.pi / kernel.reach for kernel in ray.kernels]


def top_of(ray: Ray, fallback: float) -> float:
    """The largest wave number worth a look: a kernel may have bands up to the Nyquist wave number of its grid."""
    if ray.kernels:
        return min(math.pi / max(kernel.grid.spacing) for kernel in ray.kernels)
    found = scales(ray)
    return ABOVE * max(found) if found else fallback


def wave_numbers(ray: Ray, top: float, share: float = 1.0) -> Floats:
    """From 0 to `top`: evenly, and geometrically towards 0.

    Args:
        ray: the symbol along a direction.
        top: the largest wave number.
        share: of the usual number of samples.
    """
    share = share * min(1.0, (FEW_WAVES / ray.symbol.waves) ** 1.5)
    share = max(share, LEAST / LINEAR)
    linear, geometric = int(share * LINEAR), int(share * GEOMETRIC)
    for kernel in ray.kernels:  # its transform oscillates with its reach
        linear = max(linear, math.ceil(PER_OSCILLATION * top * kernel.reach / (2 * math.pi)))
    smallest = BELOW * min([*scales(ray), top])
    even = np.linspace(0.0, top, linear + 1)
    return np.unique(np.concatenate([even, np.geomspace(smallest, top, geometric)]))


def fallback_wave_number(equation: FieldEquation) -> float:
    """The Nyquist wave number of the grid, for equations without a scale of their own; 1 on a graph."""
    grid = next(iter(equation.fields_by_grid()), None)
    if grid is None:
        return 1.0
    return math.pi / max(length / n for length, n in zip(grid.lengths, grid.shape, strict=True))
