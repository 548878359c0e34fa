"""The cells of a mask at work: what a cell inside sees of its neighbours, on arrays ``(..., C, *grid)``.

Everything of a mask is in two tensors, which travel with a module from device to device and are split with a batch:
flags of cells and faces, and one cell inside, the *anchor*. What is outside repeats the anchor. Whatever is computed
point by point is then finite there if it is finite inside, ``log(u)`` and its gradient included, and no gradient
comes from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .mask import Mask


class Neighbours(NamedTuple):
    """What every cell sees along one axis, ``(..., *grid)`` each."""

    below: Tensor
    own: Tensor
    above: Tensor


class MaskedCells:
    """A mask on the device of the fields.

    Args:
        flags: bool, ``(1 + 2 d, *grid)`` or ``(B, 1 + 2 d, *grid)``: whether a cell is inside, then per axis whether
            it looks through its lower and its upper face at another cell inside, or at a ghost.
        anchor: a cell inside as index into the flattened grid, int64 ``()`` or ``(B,)``.
        dimension: number of grid axes, d.

    Attributes:
        inside: bool, ``(*grid)``, or ``(B, 1, *grid)`` for one domain per sample: the axis before the components.
    """

    def __init__(self, flags: Tensor, anchor: Tensor, *, dimension: int) -> None:
        self.dimension = dimension
        self._per_sample = flags.dim() > dimension + 1
        self._flags = flags.unsqueeze(1) if self._per_sample else flags
        self._anchor = anchor
        self.inside = self._flag(0)

    def _flag(self, index: int) -> Tensor:
        return self._flags.select(-1 - self.dimension, index)

    def project(self, values: Tensor) -> Tensor:
        """`values` with zeros outside."""
        return torch.where(self.inside, values, 0)

    def fill(self, values: Tensor, ghosts: Sequence[tuple[int, int]] = ()) -> Tensor:
        """`values` with those of the anchor in every cell outside; no gradient comes from there.

        Args:
            values: broadcastable to ``(..., *grid)``, with so many more layers on both ends of the axes in `ghosts`.
            ghosts: ``(axis, width)``; a ghost belongs to the cell at its wall.
        """
        inside = self.inside
        shape = list(inside.shape[-self.dimension :])
        for axis, width in ghosts:
            inside = _replicated(inside, axis - self.dimension, width)
            shape[axis] += 2 * width
        values = values.expand(torch.broadcast_shapes(values.shape, tuple(shape)))
        within = values
        for axis, width in ghosts:
            dim = axis - self.dimension
            within = within.narrow(dim, width, within.shape[dim] - 2 * width)
        return torch.where(inside, values, self._at_anchor(within.detach()))

    def _at_anchor(self, values: Tensor) -> Tensor:
        flat = values.flatten(-self.dimension)
        if not self._per_sample:
            chosen = flat.index_select(-1, self._anchor.reshape(1))
        else:
            axes = max(flat.dim(), 3)  # samples, components, cells
            flat = flat.reshape((1,) * (axes - flat.dim()) + flat.shape)
            index = self._anchor.reshape((1,) * (axes - 3) + (-1, 1, 1))
            chosen = torch.take_along_dim(flat, index, -1)
        return chosen.reshape(chosen.shape[:-1] + (1,) * self.dimension)

    def look(
        self, values: Tensor, held: Tensor | float | None = None, *, axis: int, ghosts: bool, sign: float
    ) -> Neighbours:
        """What cells see along an axis; through a face of the mask ``sign * own + 2 held``.

        Args:
            values: ``(..., *grid)``, with one ghost layer on both ends of `axis` if `ghosts`, else it wraps.
            held: the value on the faces, which belongs to the cell inside; None for zero.
            axis: the axis.
            ghosts: see `values`.
            sign: +1 to mirror evenly, -1 to mirror oddly.
        """
        dim = axis - self.dimension
        if ghosts:
            points = values.shape[dim] - 2
            below, own, above = (values.narrow(dim, offset, points) for offset in range(3))
        else:
            below, own, above = values.roll(1, dim), values, values.roll(-1, dim)
        closed = own if sign > 0 else own.neg()
        if held is not None:
            closed = closed + held * 2.0
        first = 1 + 2 * axis
        return Neighbours(
            torch.where(self._flag(first), below, closed), own, torch.where(self._flag(first + 1), above, closed)
        )


def tensors_of(mask: Mask) -> tuple[Tensor, Tensor]:
    """`flags` and `anchor` of `MaskedCells`."""
    dimension = mask.grid.dimension
    faces = [face for axis in range(dimension) for face in mask.faces(axis)]
    flags = torch.stack([mask.inside, *faces], dim=-1 - dimension)
    return flags, mask.inside.flatten(-dimension).to(torch.uint8).argmax(-1)


def difference(seen: Neighbours, weights: Sequence[float]) -> Tensor:
    """A first or second derivative by its three weights, in the order of `operators.derivative`."""
    if weights[1] == 0:
        return (seen.above - seen.below).mul_(weights[2])
    return (seen.above + seen.below).mul_(weights[2]).add_(seen.own, alpha=weights[1])


def sum_of_differences(values: Tensor, axes: Sequence[Neighbours], weights: Sequence[Sequence[float]]) -> Tensor:
    """The Laplacian, in the order of `laplacian.laplacian`."""
    total = values * sum(row[1] for row in weights)
    for seen, row in zip(axes, weights, strict=True):
        total = torch.add(total, seen.above + seen.below, alpha=row[2])
    return total


def flux_difference(coefficient: Neighbours | Tensor, seen: Neighbours, spacing: float) -> Tensor:
    """``d/dx (D du/dx)`` from fluxes through the faces, in the order of `operators.diffusion`; D may be constant."""
    scale = (1 / spacing) ** 2
    if isinstance(coefficient, Tensor):
        lower, upper = coefficient, coefficient
    else:
        lower, upper = coefficient.own + coefficient.below, coefficient.above + coefficient.own
        scale *= 0.5
    return (upper * (seen.above - seen.own) - lower * (seen.own - seen.below)) * scale


def _replicated(flags: Tensor, dim: int, width: int) -> Tensor:
    first, last = flags.narrow(dim, 0, 1), flags.narrow(dim, flags.shape[dim] - 1, 1)
    return torch.cat([first] * width + [flags] + [last] * width, dim)
