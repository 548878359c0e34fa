"""Discrete operators along one axis: on periodic axes by rolling, else on arrays that carry ghost layers.

All act on tensors of shape ``(..., *grid)``; `dim` is the axis counted from the end. Arrays with ghosts are longer than
the grid by `width` on both ends of that axis, and the result has the length of the grid again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .stencils import central_stencil, staggered_stencil


def stencil_half_width(derivative: int, order: int) -> int:
    """Number of ghost layers that the derivative needs."""
    return len(central_stencil(derivative, order)) // 2


# Weights are computed once, when an equation is declared: floats, so that no exact fraction is met while stepping.
def derivative_weights(m: int, order: int, spacing: float) -> tuple[float, ...]:
    """Weights of ``u^(m)`` at offsets ``-w .. w``."""
    return tuple(float(c) * spacing**-m for c in central_stencil(m, order))


def derivative(values: torch.Tensor, dim: int, weights: Sequence[float], *, periodic: bool) -> torch.Tensor:
    """A derivative along one axis by central differences.

    Args:
        values: ``(..., *grid)`` if `periodic`, else with `stencil_half_width(m, order)` ghosts on both ends of `dim`.
        weights: from `derivative_weights`.
    """
    half = len(weights) // 2
    length = values.shape[dim] - (0 if periodic else 2 * half)

    def shifted(offset: int) -> torch.Tensor:
        if periodic:
            return values.roll(-offset, dim) if offset else values
        return values.narrow(dim, half + offset, length)

    # Equal and opposite offsets share one multiplication, and their sum is exactly (anti)symmetric.
    terms = [(weights[half], shifted(0))] if weights[half] else []
    for offset in range(1, half + 1):
        above, below = weights[half + offset], weights[half - offset]
        if above == 0:
            continue
        pair = shifted(offset) + shifted(-offset) if above == below else shifted(offset) - shifted(-offset)
        terms.append((above, pair))
    return _weighted(terms)


def diffusion_half_width(order: int) -> int:
    """Number of ghost layers that `diffusion` needs."""
    return order - 1


def diffusion_weights(order: int, spacing: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Weights of the slope and of the mean at a face."""
    slope, mean = staggered_stencil(order)
    return tuple(float(c) / spacing for c in slope), tuple(float(c) for c in mean)


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
    weights: tuple[Sequence[float], Sequence[float]],
    *,
    walls: tuple[Wall, Wall] | None,
) -> torch.Tensor:
    """``d/dx (D du/dx)`` in conservative form: face fluxes of staggered differences, then their difference.

    What leaves a cell enters its neighbour, so the total changes through the walls alone.

    Args:
        coefficient: D on the same points as `values` (a single number per sample broadcasts).
        values: ``(..., *grid)`` if periodic, else with `diffusion_half_width(order)` ghosts.
        weights: from `diffusion_weights`.
        walls: the two ends, or None if periodic.
    """
    slope, mean = weights
    order, periodic = len(slope), walls is None
    face_slope = _to_faces(values, dim, slope, periodic=periodic)
    if coefficient.dim() < -dim or coefficient.shape[dim] == 1:
        flux = coefficient * face_slope
    else:
        faces = _to_faces(coefficient, dim, mean, periodic=periodic)
        flux = faces * face_slope
        for end, wall in enumerate(walls or ()):
            flux = _with_ghost_fluxes(flux, face_slope, faces, coefficient, dim, end, order, wall)
    # Faces lie to the right of their cell, so the difference is taken backwards.
    return _to_faces(flux, dim, slope, periodic=periodic, backward=True)


def _with_ghost_fluxes(
    flux: torch.Tensor,
    slope: torch.Tensor,
    faces: torch.Tensor,
    coefficient: torch.Tensor,
    dim: int,
    end: int,
    order: int,
    wall: Wall,
) -> torch.Tensor:
    """Fluxes beyond a wall, from the coefficient *reflected* there, whatever it would be if it went on.

    With face ``k`` the mirror of ghost face ``-k``, D the coefficient, s the slope of the extended field and w its
    slope on the wall,

        F_(-k) = D_k (s_(-k) - 2 w) + 2 D_wall w      (D_k s_(-k) where the value is held)

    so that no slope on the wall means ``F_(-k) = -F_k``: nothing passes, and the operator is symmetric.
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
            coefficient_on_wall = layers(coefficient, diffusion_half_width(order), 1)
        else:
            on_wall, coefficient_on_wall = layers(slope, ghosts, 1), layers(faces, ghosts, 1)
        beyond = beyond + 2 * on_wall * (coefficient_on_wall - mirrored)
    inside = layers(flux, ghosts, total - ghosts)
    return torch.cat([beyond, inside] if end == 0 else [inside, beyond], dim=dim)


def _to_faces(
    values: torch.Tensor, dim: int, weights: Sequence[float], *, periodic: bool, backward: bool = False
) -> torch.Tensor:
    """Apply a staggered stencil; entry ``i`` of a periodic result is the face ``i + 1/2`` (``i - 1/2`` if backward)."""
    half = len(weights) // 2
    shift = -half if backward else 1 - half
    if periodic:
        return _weighted([(weight, values.roll(-(shift + j), dim)) for j, weight in enumerate(weights)])
    length = values.shape[dim] - len(weights) + 1
    return _weighted([(weight, values.narrow(dim, j, length)) for j, weight in enumerate(weights)])


def _weighted(terms: Sequence[tuple[float, torch.Tensor]]) -> torch.Tensor:
    (factor, first), *rest = terms
    total = first * factor
    for factor, term in rest:
        total = torch.add(total, term, alpha=factor)
    return total
