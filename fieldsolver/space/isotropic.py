"""Laplacians on 9, 19 and 27 points whose leading error has no direction: ``lap u + h^2/12 lap(lap u) + O(h^4)``.

The coefficients depend only on the number of axes along which a neighbour is displaced,

    9 points     (1/6)  [-20, 4, 1]
    19 points    (1/6)  [-24, 2, 1, 0]
    27 points    (1/30) [-128, 14, 3, 1]

M. Patra, M. Karttunen, Numer. Methods Partial Differ. Equ. 22 (2006) 936; the first two are the Mehrstellen operators
of L. Collatz, The Numerical Treatment of Differential Equations (1960). Of 9 and 27 points the term in ``h^4``
vanishes on harmonic functions too. The flow at a fixed radius no longer favours the axes of the grid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np
import torch

from fieldsolver.errors import GridError

from .grid import Grid
from .operators import opposite, shifted

ISOTROPIC_STENCILS: dict[int, tuple[Fraction, ...]] = {
    9: tuple(Fraction(n, 6) for n in (-20, 4, 1)),
    19: tuple(Fraction(n, 6) for n in (-24, 2, 1, 0)),
    27: tuple(Fraction(n, 30) for n in (-128, 14, 3, 1)),
}


def isotropic_weights(points: int, grid: Grid) -> tuple[float, ...]:
    """Weights of neighbours displaced along 0, 1 ... d axes.

    Args:
        points: 9 in two dimensions, 19 or 27 in three.
        grid: uniform, with the same spacing along all axes.

    Raises:
        GridError: no such stencil in this dimension, or cells that are not square.
    """
    known = [count for count, stencil in ISOTROPIC_STENCILS.items() if len(stencil) == grid.dimension + 1]
    if points not in known:
        if not known:
            raise GridError("a line has no directions to choose from; use laplacian(u), which is isotropic there")
        choice = " or ".join(map(str, known))
        raise GridError(f"an isotropic Laplacian in {grid.dimension} dimensions has {choice} points, got {points!r}")
    for axis, name in enumerate(grid.axes):
        if not grid.is_uniform(axis):
            raise GridError(f"an isotropic Laplacian needs uniform spacing, and axis {name!r} has nodes of its own")
    h = grid.spacing[0]
    if not all(math.isclose(h, other, rel_tol=1e-9) for other in grid.spacing):
        steps = ", ".join(f"{step:g}" for step in grid.spacing)
        raise GridError(f"an isotropic Laplacian needs square cells, got the spacing ({steps}); change shape or bounds")
    return tuple(float(c) / h**2 for c in ISOTROPIC_STENCILS[points])


def isotropic_laplacian(values: torch.Tensor, weights: Sequence[float], *, periodic: Sequence[bool]) -> torch.Tensor:
    """The Laplacian along the last axes, one for every entry of `periodic`.

    The sums over the neighbours along one axis serve all terms, so that 27 points cost three passes of pairs:
    ``L = (w_0 + w_1 X) + Y (w_1 + w_2 X) + ...`` with ``X``, ``Y`` the sum of both neighbours along ``x``, ``y``.

    Args:
        values: ``(..., *grid)`` with one ghost layer on both ends of every axis that is not periodic, corners included:
            extend the array along one axis after the other.
        weights: from `isotropic_weights`.
        periodic: whether each axis closes on itself.

    Returns:
        ``(..., *grid)`` without ghosts.
    """
    first, *others = range(-len(periodic), 0)
    centre = shifted(values, first, 0, 1, periodic=periodic[first])
    pair = opposite(values, first, 1, 1, periodic=periodic[first])
    # sums[k]: the terms so far of neighbours that are displaced along k of the axes to come.
    sums = [(centre * near).add_(pair, alpha=far) for near, far in pairwise(weights)]
    for dim in others:
        beside = [opposite(term, dim, 1, 1, periodic=periodic[dim]) for term in sums[1:]]
        sums = [
            term.add_(shifted(here, dim, 0, 1, periodic=periodic[dim]))
            for term, here in zip(beside, sums[:-1], strict=True)
        ]
    return sums[0]


def isotropic_symbol(points: int, thetas: Sequence[np.ndarray]) -> np.ndarray:
    """Eigenvalue on ``exp(i theta . j)`` without the factor ``1/h^2``; `thetas` broadcast, one per axis."""
    sums = [2 * np.cos(theta) for theta in thetas]
    return sum(
        float(c) * sum(math.prod(chosen) for chosen in combinations(sums, k))
        for k, c in enumerate(ISOTROPIC_STENCILS[points])
    )
