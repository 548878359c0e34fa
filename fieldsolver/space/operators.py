"""Discrete operators along one axis: on periodic axes by rolling, else on arrays that carry ghost layers.

All act on tensors of shape ``(..., *grid)``; `dim` is the axis counted from the end. Arrays with ghosts are longer than the grid by
`width` on both ends of that axis, and the result has the length of the grid again.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch

from .stencils import central_stencil, staggered_stencil


def stencil_half_width(derivative: int, order: int) -> int:
    """Number of ghost layers that the derivative needs."""
    return len(central_stencil(derivative, order)) // 2


def derivative(
    values: torch.Tensor, dim: int, m: int, order: int, spacing: float, *, periodic: bool
) -> torch.Tensor:
    """``u^(m)`` along one axis by central differences.

    Args:
        values: ``(..., *grid)`` if `periodic`, else with `stencil_half_width(m, order)` ghosts on both ends of `dim`.
    """
    stencil = central_stencil(m, order)
    return _correlate(values, dim, stencil, spacing**-m, periodic=periodic)


def diffusion_half_width(order: int) -> int:
    """Number of ghost layers that `diffusion` needs."""
    return order - 1


def diffusion(
    coefficient: torch.Tensor, values: torch.Tensor, dim: int, order: int, spacing: float, *, periodic: bool
) -> torch.Tensor:
    """``d/dx (D du/dx)`` in conservative form: face fluxes of staggered differences, then their difference.

    What leaves a cell enters its neighbour, so the total changes through the walls alone.

    Args:
        coefficient: D on the same points as `values` (a single number per sample broadcasts).
        values: ``(..., *grid)`` if `periodic`, else with `diffusion_half_width(order)` ghosts.
    """
    slope, mean = staggered_stencil(order)
    face_slope = _to_faces(values, dim, slope, 1 / spacing, periodic=periodic)
    if coefficient.dim() >= -dim and coefficient.shape[dim] > 1:
        coefficient = _to_faces(coefficient, dim, mean, 1.0, periodic=periodic)
    flux = coefficient * face_slope
    # Faces lie to the right of their cell, so the difference is taken backwards.
    return _to_faces(flux, dim, slope, 1 / spacing, periodic=periodic, backward=True)


def _to_faces(
    values: torch.Tensor,
    dim: int,
    stencil: Sequence[Fraction],
    scale: float,
    *,
    periodic: bool,
    backward: bool = False,
) -> torch.Tensor:
    """Apply a staggered stencil; entry ``i`` of a periodic result is the face ``i + 1/2`` (``i - 1/2`` if backward)."""
    half = len(stencil) // 2
    shift = -half if backward else 1 - half
    if periodic:
        return _weighted(
            [(float(c) * scale, values.roll(-(shift + j), dim)) for j, c in enumerate(stencil)]
        )
    length = values.shape[dim] - len(stencil) + 1
    return _weighted([(float(c) * scale, values.narrow(dim, j, length)) for j, c in enumerate(stencil)])


def _correlate(
    values: torch.Tensor, dim: int, stencil: Sequence[Fraction], scale: float, *, periodic: bool
) -> torch.Tensor:
    half = len(stencil) // 2
    length = values.shape[dim] - (0 if periodic else 2 * half)

    def shifted(offset: int) -> torch.Tensor:
        if periodic:
            return values.roll(-offset, dim) if offset else values
        return values.narrow(dim, half + offset, length)

    # Equal and opposite offsets share one multiplication, and their sum is exactly (anti)symmetric.
    centre = float(stencil[half]) * scale
    terms = [(centre, shifted(0))] if centre else []
    for offset in range(1, half + 1):
        above, below = stencil[half + offset], stencil[half - offset]
        if above == 0:
            continue
        pair = shifted(offset) + shifted(-offset) if above == below else shifted(offset) - shifted(-offset)
        terms.append((float(above) * scale, pair))
    return _weighted(terms)


def _weighted(terms: Sequence[tuple[float, torch.Tensor]]) -> torch.Tensor:
    (factor, first), *rest = terms
    total = first * factor
    for factor, term in rest:
        total = torch.add(total, term, alpha=factor)
    return total
