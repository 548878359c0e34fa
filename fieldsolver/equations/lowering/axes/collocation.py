"""Collocation on the points of Chebyshev."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from fieldsolver.errors import BoundaryError, GridError
from fieldsolver.space.grid import Grid

from ...graph import Node, SpatialOperator, walk
from ...vocabulary import OPERATORS
from .. import arrays
from ..place import GRID
from .axis_scheme import AxisScheme

if TYPE_CHECKING:
    from fieldsolver.space.spectral import ChebyshevLine


class Collocation(AxisScheme):
    """Derivatives of the polynomial through the points of Chebyshev; conditions are bound into the wall nodes."""

    def derivative(self, operand: Node, m: int) -> int:
        self._check_total(operand, m)
        line = chebyshev_line(self.grid, self.axis)
        return self.lowering.emit(partial(line.derivative, dim=self.dim, m=m), self.full(operand))

    def diffusion(self, coefficient: Node, operand: Node) -> int:
        self._check_total(operand, 2)
        slope = partial(chebyshev_line(self.grid, self.axis).derivative, dim=self.dim, m=1)
        flux = self.lowering.emit(
            arrays.multiply, self.lowering.cast(coefficient, GRID), self.lowering.emit(slope, self.full(operand))
        )
        return self.lowering.emit(slope, flux)

    def advection(self, speed: Node, operand: Node) -> int:
        return self.lowering.emit(arrays.multiply, self.lowering.cast(speed, GRID), self.derivative(operand, 1))

    def _check_total(self, operand: Node, m: int) -> None:
        total = m + derivatives_along(operand, self.axis)
        if total > 2:
            raise BoundaryError(
                f"derivatives of order {total} along {self.grid.axes[self.axis]!r} need two conditions per wall; on "
                "Chebyshev points declare the inner derivative as a field of its own"
            )


def chebyshev_line(grid: Grid, axis: int) -> ChebyshevLine:
    """The collocation operators of an axis.

    Raises:
        GridError: its points are not those of Chebyshev.
    """
    from fieldsolver.space.spectral import ChebyshevLine

    if grid.axes[axis] in grid.periodic:
        raise GridError(
            f"the points of Chebyshev do not close: on the periodic axis {grid.axes[axis]!r} drop nodes, and "
            "fs.Spectral is Fourier"
        )
    if grid.shape[axis] < 3:
        raise GridError(
            f"axis {grid.axes[axis]!r} has {grid.shape[axis]} points, but collocation needs at least 3: its two ends "
            "follow from the conditions"
        )
    line = ChebyshevLine(grid.shape[axis], *grid.bounds[axis])
    if not grid.has_end_nodes(axis) or not torch.allclose(line.coordinates, grid.coordinate(axis), atol=1e-12):
        name = grid.axes[axis]
        raise GridError(
            f"fs.Spectral on the non-uniform axis {name!r} needs the points of Chebyshev; write fs.Grid(..., "
            f"centring='node', nodes={{{name!r}: fs.Clustered('chebyshev')}})"
        )
    return line


def derivatives_along(node: Node, axis: int) -> int:
    """Order of the highest nested derivative along `axis`."""
    known: dict[Node, int] = {}
    for part in walk(node):
        below = max((known[operand] for operand in part.operands), default=0)
        if isinstance(part, SpatialOperator):
            word = OPERATORS[part.name]
            below += word.derivative_order if word.axis in (None, axis) else 0
        known[part] = below
    return known[node]
