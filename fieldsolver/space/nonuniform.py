"""Weights of the operators along one axis of a grid, uniform or not.

On a non-uniform axis the stencils have as many points as on a uniform one, with weights that differ from point to
point and are exact for the polynomials through these points. Where the positions are a smooth map of uniform ones this
keeps the order: what an uneven stencil loses, ``O(h^(order - 1))``, is multiplied by its unevenness, itself ``O(h)``.
Of order 2 the second derivative is

    2/(h- + h+) ((u+ - u)/h+ - (u - u-)/h-)

which is symmetric in the weights of the grid and conserves mass; of higher orders it is neither. Solutions converge
with the second order even where the positions are rough: T. A. Manteuffel and A. B. White, Math. Comp. 47 (1986) 511.
"""

from __future__ import annotations

import numpy as np
import torch

from fieldsolver.errors import GridError

from .fornberg import fornberg_weights
from .grid import Grid
from .operators import FaceWeights, derivative_weights, diffusion_weights, stencil_half_width
from .table import Table


def axis_derivative_weights(grid: Grid, axis: int, m: int, order: int, *, periodic: bool) -> tuple[float, ...] | Table:
    """Weights of ``u^(m)`` along one axis, for `derivative` and `laplacian`.

    Args:
        grid: the grid.
        axis: the axis.
        m: the derivative, 1 to 4.
        order: one of `SPACE_ORDERS`.
        periodic: the equation closes the axis on itself.

    Raises:
        GridError: the axis has too few points, or is non-uniform and closed without `Grid` knowing.
    """
    if grid.is_uniform(axis):
        return derivative_weights(m, order, grid.spacing[axis])
    half = stencil_half_width(m, order)
    positions = _extended(grid, axis, half, periodic=periodic)
    if (m, order) == (2, 2):
        return _along(grid, axis, _three_points(positions))
    points = grid.shape[axis]
    offsets = np.stack([positions[j : j + points] - positions[half : half + points] for j in range(2 * half + 1)])
    scale = np.abs(offsets).max(axis=0)  # products of ten distances must not underflow
    return _along(grid, axis, fornberg_weights(offsets / scale, m) / scale**m)


def axis_diffusion_weights(
    grid: Grid, axis: int, order: int, *, periodic: bool
) -> tuple[tuple[float, ...], tuple[float, ...]] | FaceWeights:
    """Weights of `diffusion` along one axis; arguments as above.

    Raises:
        GridError: also for an order beyond 2 on a non-uniform axis.
    """
    if grid.is_uniform(axis):
        return diffusion_weights(order, grid.spacing[axis])
    if order != 2:
        raise GridError(
            f"diffusion(D, u) of order {order} needs uniform spacing, and axis {grid.axes[axis]!r} has positions of "
            "its own; use space_order=2"
        )
    gaps = np.diff(_extended(grid, axis, 1, periodic=periodic))
    faces = gaps[1:] if periodic else gaps  # a periodic axis lists every face once, after its point
    return FaceWeights(_along(grid, axis, 1 / faces), _along(grid, axis, 2 / (gaps[:-1] + gaps[1:])))


def _extended(grid: Grid, axis: int, width: int, *, periodic: bool) -> np.ndarray:
    name = grid.axes[axis]
    if periodic != (name in grid.periodic):
        raise GridError(
            f"the positions of axis {name!r} go on beyond its ends as the grid says, and grid and boundary disagree "
            f"about periodicity; write Grid(..., periodic={(name,) if periodic else ()!r})"
        )
    return grid.coordinate(axis, below=width, above=width).numpy()


def _three_points(positions: np.ndarray) -> np.ndarray:
    gaps = np.diff(positions)
    below, above = gaps[:-1], gaps[1:]
    left, right = 2 / (below * (below + above)), 2 / (above * (below + above))
    return np.stack([left, -(left + right), right])


def _along(grid: Grid, axis: int, values: np.ndarray) -> Table:
    """Constants per point of `axis` in a shape that broadcasts against ``(..., *grid)``."""
    return Table(torch.from_numpy(values).reshape(*values.shape, *[1] * (grid.dimension - 1 - axis)))
