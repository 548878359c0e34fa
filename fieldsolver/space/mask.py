"""Domains with holes, obstacles and padding: some cells of a uniform grid, and operators that know no others.

The border of the domain is the staircase of faces between a cell inside and one outside. Every face has one condition:
a cell looking through it sees

    u (its own value)     no flux,               or
    2 g - u               the value g, held on the face,

as beyond the walls of the grid itself (closure.py). What the array holds outside is never looked at: it may be NaN, its
gradient is zero, and so are results there. A cell with what it sees on both sides is a grid of one cell with its two
ghosts: to those the operators of operators.py are applied, so that a mask without holes changes no bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor

from fieldsolver.errors import GridError, ParameterError

from .grid import Grid
from .operators import Wall, derivative, derivative_weights, diffusion, diffusion_weights

Held = Tensor | float | None
"""The value g on the faces of the staircase, a number or broadcastable to ``(..., *grid)`` (the cell inside names the
face); None for no flux."""


class Mask:
    """The cells of a grid that belong to the domain.

    Args:
        inside: bool, ``(*grid)``, or ``(B, *grid)`` for one domain per sample: the first axis of the fields.
        grid: a cell-centred grid.
        periodic: names of the periodic axes, such as ``("x",)``. On the others, fields come to the operators with one
            ghost layer on both ends; what the ghosts of outside cells hold does not matter.

    Raises:
        GridError: a node-centred grid, another shape or dtype, an unknown axis, or a domain without any cell.
    """

    def __init__(self, inside: Tensor, grid: Grid, *, periodic: Sequence[str] = ()) -> None:
        if grid.centring != "cell":
            raise GridError(
                "a mask needs a cell-centred grid, because its border runs along faces of cells; got a node-centred "
                "one, write Grid(..., centring='cell')"
            )
        if inside.dtype != torch.bool:
            raise GridError(f"a mask is a bool tensor, got {inside.dtype}; write values > 0 or the like")
        if tuple(inside.shape[-grid.dimension :]) != grid.shape or inside.dim() > grid.dimension + 1:
            raise GridError(f"a mask has the shape {grid.shape} or (B, *{grid.shape}), got {tuple(inside.shape)}")
        unknown = [name for name in periodic if name not in grid.axes]
        if unknown:
            raise GridError(f"periodic names the axis {unknown[0]!r}, but the grid has {', '.join(grid.axes)}")
        cells = inside.reshape(-1, grid.size).any(dim=1)
        if not cells.all():
            empty = int((~cells).nonzero()[0])
            raise GridError(f"sample {empty} of the mask has no cell inside; every domain needs at least one")
        self.inside = inside
        self.grid = grid
        self.periodic = tuple(name in periodic for name in grid.axes)
        self._open = [self._open_faces(axis) for axis in range(grid.dimension)]

    @property
    def samples(self) -> int | None:
        """Number of domains, or None for one that all samples share."""
        return self.inside.shape[0] if self.inside.dim() > self.grid.dimension else None

    def over(self, values: Tensor) -> Tensor:
        """`inside` with singleton axes, so that it broadcasts to `values` of shape ``(B, ..., *grid)``."""
        return self._aligned(self.inside, values)

    def open_faces(self, values: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        """Whether a cell inside looks through its lower and its upper face at another one, or at a ghost; as `over`."""
        below, above = self._open[axis]
        return self._aligned(below, values), self._aligned(above, values)

    def faces(self, axis: int) -> tuple[Tensor, Tensor]:
        """`open_faces` with the shape of `inside`."""
        return self._open[axis]

    def project(self, values: Tensor) -> Tensor:
        """`values` with zeros outside, ``(..., *grid)``."""
        return torch.where(self.over(values), values, 0)

    def integral(self, values: Tensor) -> Tensor:
        """Integral over the domain, ``(..., *grid) -> (...)``."""
        return self._sum(self.project(values)) * math.prod(self.grid.spacing)

    def mean(self, values: Tensor) -> Tensor:
        """Mean over the domain, ``(..., *grid) -> (...)``."""
        return self._sum(self.project(values)) / self._sum(self.over(values))

    def _open_faces(self, axis: int) -> tuple[Tensor, Tensor]:
        inside, dim, points = self.inside, axis - self.grid.dimension, self.grid.shape[axis]
        if self.periodic[axis]:
            return inside & inside.roll(1, dim), inside & inside.roll(-1, dim)
        between = inside.narrow(dim, 0, points - 1) & inside.narrow(dim, 1, points - 1)
        first, last = inside.narrow(dim, 0, 1), inside.narrow(dim, points - 1, 1)
        return torch.cat([first, between], dim), torch.cat([between, last], dim)

    def _aligned(self, flags: Tensor, values: Tensor) -> Tensor:
        missing = values.dim() - flags.dim()
        if flags.dim() == self.grid.dimension or missing <= 0:
            return flags
        return flags.reshape(flags.shape[:1] + (1,) * missing + self.grid.shape)

    def _sum(self, values: Tensor) -> Tensor:
        return values.sum(dim=tuple(range(-self.grid.dimension, 0)))

    def __repr__(self) -> str:
        return f"Mask(inside={tuple(self.inside.shape)}, grid={self.grid!r})"


def masked_laplacian(values: Tensor, mask: Mask, *, held: Held = None) -> Tensor:
    """The Laplacian, ``(..., *grid)``.

    Args:
        values: the field, with ghosts on axes that are not periodic (see `Mask`).
        mask: the domain.
        held: the condition on the staircase.
    """
    axes = range(mask.grid.dimension)
    return reduce(torch.add, [masked_derivative(values, mask, axis, 2, held=held) for axis in axes])


def masked_derivative(values: Tensor, mask: Mask, axis: int, m: int = 1, *, held: Held = None) -> Tensor:
    """First or second derivative along one axis by central differences; arguments as in `masked_laplacian`.

    Raises:
        ParameterError: `m` is neither 1 nor 2.
    """
    if m not in (1, 2):
        raise ParameterError(f"a masked derivative is the first or the second, got m={m!r}; apply it twice for more")
    dimension = mask.grid.dimension
    weights = derivative_weights(m, 2, mask.grid.spacing[axis])
    rate = derivative(_seen(values, mask, axis, held), -dimension - 1, weights, periodic=False)
    return mask.project(rate.squeeze(-dimension - 1))


def masked_diffusion(coefficient: Tensor, values: Tensor, mask: Mask, *, held: Held = None) -> Tensor:
    """``div(D grad u)`` in conservative form, ``(..., *grid)``; on the staircase, D is that of the cell inside.

    Args:
        coefficient: D on the same points as `values`, ghosts included; axes of length 1 broadcast.
        values: as in `masked_laplacian`, like the other arguments.
    """
    dimension, stacked = mask.grid.dimension, -mask.grid.dimension - 1
    constant = all(size == 1 for size in coefficient.shape[-dimension:])
    if constant:
        coefficient = coefficient.unsqueeze(stacked) if coefficient.dim() >= dimension else coefficient
    else:
        missing = (1,) * (values.dim() - coefficient.dim())  # the first axis of both is that of the mask's samples
        coefficient = coefficient.expand(missing + coefficient.shape[:-dimension] + values.shape[-dimension:])
    rates = []
    for axis, h in enumerate(mask.grid.spacing):
        D = coefficient if constant else _seen(coefficient, mask, axis, None)
        u = _seen(values, mask, axis, held)
        rates.append(diffusion(D, u, stacked, diffusion_weights(2, h), walls=(_BESIDE, _BESIDE)).squeeze(stacked))
    return mask.project(reduce(torch.add, rates))


_BESIDE = Wall(on_node=False, held=False)


def _seen(values: Tensor, mask: Mask, axis: int, held: Held) -> Tensor:
    """What every cell sees below, on and above itself along an axis, ``(..., 3, *grid)``."""
    dimension, points = mask.grid.dimension, mask.grid.shape[axis]
    for other, wraps in enumerate(mask.periodic):
        if not wraps and other != axis:
            values = values.narrow(other - dimension, 1, mask.grid.shape[other])
    dim = axis - dimension
    if mask.periodic[axis]:
        below, own, above = values.roll(1, dim), values, values.roll(-1, dim)
    else:
        below, own, above = (values.narrow(dim, offset, points) for offset in range(3))
    open_below, open_above = mask.open_faces(own, axis)
    own = mask.project(own)
    closed = own if held is None else 2 * held - own
    return torch.stack(
        [torch.where(open_below, below, closed), own, torch.where(open_above, above, closed)], dim=-dimension - 1
    )
