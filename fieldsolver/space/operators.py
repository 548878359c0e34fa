"""Discrete operators along one axis: on periodic axes by rolling, else on arrays that carry ghost layers.

All act on tensors of shape ``(..., *grid)``; `dim` is the axis counted from the end. Arrays with ghosts are longer than
the grid by `width` on both ends of that axis, and the result has the length of the grid again.

Large arrays cost what they move through memory, and a fresh temporary costs more than the arithmetic on it. Sums are
therefore accumulated in place, always on arrays made here, which automatic differentiation follows like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .stencils import central_stencil, staggered_stencil
from .table import Table


def stencil_half_width(derivative: int, order: int) -> int:
    """Number of ghost layers that the derivative needs."""
    return len(central_stencil(derivative, order)) // 2


# Weights are computed once, when an equation is declared: floats, so that no exact fraction is met while stepping.
def derivative_weights(m: int, order: int, spacing: float) -> tuple[float, ...]:
    """Weights of ``u^(m)`` at offsets ``-w .. w``."""
    return tuple(float(c) * spacing**-m for c in central_stencil(m, order))


def derivative(values: torch.Tensor, dim: int, weights: Sequence[float] | Table, *, periodic: bool) -> torch.Tensor:
    """A derivative along one axis by central differences.

    Args:
        values: ``(..., *grid)`` if `periodic`, else with `stencil_half_width(m, order)` ghosts on both ends of `dim`.
        weights: from `derivative_weights`, or a table ``(2 w + 1, N, 1 ...)``, a column of weights for every point.
    """
    if isinstance(weights, Table):
        return _pointwise(None, values, dim, weights, periodic=periodic)
    half = len(weights) // 2
    total = None
    for offset in range(1, half + 1):
        if weight := weights[half + offset]:
            pair = opposite(values, dim, offset, half, odd=weight != weights[half - offset], periodic=periodic)
            total = pair.mul_(weight) if total is None else total.add_(pair, alpha=weight)
    centre = shifted(values, dim, 0, half, periodic=periodic)
    if total is None:
        return centre * weights[half]
    return total.add_(centre, alpha=weights[half]) if weights[half] else total


def add_even_derivative(
    total: torch.Tensor, values: torch.Tensor, dim: int, weights: Sequence[float] | Table, *, periodic: bool
) -> torch.Tensor:
    """`total`, an array of the caller's own that is written over, plus a derivative of even order.

    A table is added whole; the centre of a uniform stencil is left to the caller.
    """
    if isinstance(weights, Table):
        return _pointwise(total, values, dim, weights, periodic=periodic)
    half = len(weights) // 2
    for offset in range(1, half + 1):
        pair = opposite(values, dim, offset, half, periodic=periodic)
        if periodic or offset > 1:
            total.add_(pair, alpha=weights[half + offset])
        else:  # where vmap maps over the data of walls, the ghosts cannot be written into what it does not map
            total = torch.add(total, pair, alpha=weights[half + offset])
    return total


def _pointwise(
    total: torch.Tensor | None, values: torch.Tensor, dim: int, weights: Table, *, periodic: bool
) -> torch.Tensor:
    lowest, *rows = weights.rows(values)
    half = len(rows) // 2
    first = shifted(values, dim, -half, half, periodic=periodic)
    total = first * lowest if total is None else torch.addcmul(total, first, lowest)
    for offset, row in enumerate(rows, start=1 - half):  # not in place: addcmul_ has no rule for vmap
        total = torch.addcmul(total, shifted(values, dim, offset, half, periodic=periodic), row)
    return total


def opposite(
    values: torch.Tensor, dim: int, offset: int, half: int, *, periodic: bool, odd: bool = False
) -> torch.Tensor:
    """Sum of the neighbours at `offset` and ``-offset``, or their difference: a fresh array.

    Added first and weighted together, so that what is symmetric stays so to the last bit.
    """
    above = shifted(values, dim, offset, half, periodic=periodic)
    below = shifted(values, dim, -offset, half, periodic=periodic)
    if not periodic:
        return above - below if odd else above + below
    return above.sub_(below) if odd else above.add_(below)  # what was rolled is a copy already


def shifted(values: torch.Tensor, dim: int, offset: int, half: int, *, periodic: bool) -> torch.Tensor:
    """Neighbours at `offset`: a rolled copy, or a view of an array that carries `half` ghosts."""
    if periodic:
        return values.roll(-offset, dim) if offset else values
    return values.narrow(dim, half + offset, values.shape[dim] - 2 * half)


def diffusion_half_width(order: int) -> int:
    """Number of ghost layers that `diffusion` needs."""
    return order - 1


def diffusion_weights(order: int, spacing: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Weights of the slope and of the mean at a face."""
    slope, mean = staggered_stencil(order)
    return tuple(float(c) / spacing for c in slope), tuple(float(c) for c in mean)


_DIFFERENCE: tuple[float, ...] = (-1.0, 1.0)
_MEAN: tuple[float, ...] = (0.5, 0.5)


@dataclass(frozen=True)
class FaceWeights:
    """Weights of `diffusion` of order 2 along a non-uniform axis; tables broadcast against ``(..., *grid)``.

    Attributes:
        slope: one over the distance of the two points beside every face. Faces lie half-way between points, so the
            plain mean of the coefficient is of second order there.
        divergence: one over the width of every cell.
    """

    slope: Table
    divergence: Table


@dataclass(frozen=True)
class Wall:
    """One end of a non-periodic axis, as `diffusion` sees it.

    Attributes:
        on_node: the wall is an unknown instead of half a cell away.
        held: the value is given there (Dirichlet) rather than the slope.
    """

    on_node: bool
    held: bool


def diffusion(
    coefficient: torch.Tensor,
    values: torch.Tensor,
    dim: int,
    weights: tuple[Sequence[float], Sequence[float]] | FaceWeights,
    *,
    walls: tuple[Wall, Wall] | None,
) -> torch.Tensor:
    """``d/dx (D du/dx)`` in conservative form: face fluxes of staggered differences, then their difference.

    What leaves a cell enters its neighbour, so the total changes through the walls alone.

    Args:
        coefficient: D on the same points as `values` (a single number per sample broadcasts).
        values: ``(..., *grid)`` if periodic, else with `diffusion_half_width(order)` ghosts.
        weights: from `diffusion_weights` or `axis_diffusion_weights`.
        walls: the two ends, or None if periodic.
    """
    periodic = walls is None
    slope, mean = (_DIFFERENCE, _MEAN) if isinstance(weights, FaceWeights) else weights
    # Slopes and means are taken in units of their largest weight; the result is scaled once, at the end.
    slope_unit, mean_unit = slope[len(slope) // 2], mean[len(mean) // 2]
    face_slope = _to_faces(values, dim, slope, periodic=periodic)
    scale = slope_unit**2
    if isinstance(weights, FaceWeights):
        face_slope = face_slope * weights.slope.on(values.device, values.dtype)
    if coefficient.dim() < -dim or coefficient.shape[dim] == 1:
        flux = coefficient * face_slope
    else:
        scale *= mean_unit
        faces = _to_faces(coefficient, dim, mean, periodic=periodic)
        flux = faces * face_slope
        for end, wall in enumerate(walls or ()):
            flux = _with_ghost_fluxes(flux, face_slope, faces, coefficient, dim, end, len(slope), mean_unit, wall)
    # Faces lie to the right of their cell, so the difference is taken backwards.
    rate = _to_faces(flux, dim, slope, periodic=periodic, backward=True).mul_(scale)
    if isinstance(weights, FaceWeights):
        rate = rate * weights.divergence.on(values.device, values.dtype)
    return rate


def _with_ghost_fluxes(
    flux: torch.Tensor,
    slope: torch.Tensor,
    faces: torch.Tensor,
    coefficient: torch.Tensor,
    dim: int,
    end: int,
    order: int,
    mean_unit: float,
    wall: Wall,
) -> torch.Tensor:
    """Fluxes beyond a wall, from the coefficient *reflected* there, whatever it would be if it went on.

    With face ``k`` the mirror of ghost face ``-k``, D the coefficient, s the slope of the extended field and w its
    slope on the wall,

        F_(-k) = D_k (s_(-k) - 2 w) + 2 D_wall w      (D_k s_(-k) where the value is held)

    so that no slope on the wall means ``F_(-k) = -F_k``: nothing passes, and the operator is symmetric. `faces` are in
    units of `mean_unit`.
    """
    ghosts, total = order // 2 - 1 + int(wall.on_node), flux.shape[dim]
    if ghosts == 0:
        return flux

    def layers(array: torch.Tensor, first: int, count: int) -> torch.Tensor:
        """`count` layers, the first of them `first` layers from this end."""
        return array.narrow(dim, first if end == 0 else array.shape[dim] - first - count, count)

    mirrored = layers(faces, ghosts + int(not wall.on_node), ghosts).flip(dim)
    beyond = mirrored * layers(slope, 0, ghosts)
    if not wall.held:
        if wall.on_node:
            on_wall = layers(slope, ghosts - 1, 2).mean(dim, keepdim=True)
            coefficient_on_wall = layers(coefficient, diffusion_half_width(order), 1) / mean_unit
        else:
            on_wall, coefficient_on_wall = layers(slope, ghosts, 1), layers(faces, ghosts, 1)
        beyond = beyond + 2 * on_wall * (coefficient_on_wall - mirrored)
    inside = layers(flux, ghosts, total - ghosts)
    return torch.cat([beyond, inside] if end == 0 else [inside, beyond], dim=dim)


def _to_faces(
    values: torch.Tensor, dim: int, weights: Sequence[float], *, periodic: bool, backward: bool = False
) -> torch.Tensor:
    """A staggered stencil, in units of its weight right of the face.

    Entry ``i`` of a periodic result is the face ``i + 1/2`` (``i - 1/2`` if `backward`).
    """
    half, length = len(weights) // 2, values.shape[dim] - len(weights) + 1
    first = -half if backward else 1 - half
    unit, sign = weights[half], 1 if weights[half] == weights[half - 1] else -1

    def term(j: int) -> torch.Tensor:
        if not periodic:
            return values.narrow(dim, j, length)
        return values.roll(-(first + j), dim) if first + j else values

    total = torch.add(term(half), term(half - 1), alpha=sign)
    for j in range(half + 1, len(weights)):
        ratio = weights[j] / unit
        total.add_(term(j), alpha=ratio).add_(term(len(weights) - 1 - j), alpha=sign * ratio)
    return total
