"""Operators in curved coordinates: finite volumes with exact geometry, and the Laplacian of a metric."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING

import torch

from fieldsolver.errors import EquationTypeError
from fieldsolver.space.orthogonal import (
    OrthogonalCells,
    orthogonal_laplacian,
    orthogonal_outflow,
    orthogonal_slope,
)

from ..calculus.expansion import component_of
from ..graph import Node, SpatialOperator
from ..vocabulary import OPERATORS
from . import arrays
from .place import GRID, Place, extended
from .pointwise import left_sum

if TYPE_CHECKING:
    from .lower import Lowering
    from .whole_grid import WholeGrid


class FiniteVolumes:
    """Emits the operators of polar, cylindrical and spherical coordinates."""

    def __init__(self, lowering: Lowering) -> None:
        self._lowering = lowering
        self._layout = lowering.layout
        self._dimension = lowering.layout.dimension

    @cached_property
    def _cells(self) -> OrthogonalCells:
        grid = self._layout.required_grid()
        return OrthogonalCells(grid, periodic=[name for axis, name in enumerate(grid.axes) if self._wraps(axis)])

    def compile(self, node: SpatialOperator) -> int:
        """Register of `node` on the grid."""
        emit, operand = self._lowering.emit, node.operands[-1]
        match node.name:
            case "laplacian":
                return emit(partial(orthogonal_laplacian, cells=self._cells), self._full(operand, self._around()))
            case "diffusion":
                coefficient = self._lowering.cast(node.operands[0], self._around())
                function = partial(arrays.diffuse_on_cells, cells=self._cells)
                return emit(function, coefficient, self._full(operand, self._around()))
            case "divergence":
                parts = [self._outflow(operand, axis) for axis in range(self._dimension)]
                return parts[0] if len(parts) == 1 else emit(left_sum, *parts)
            case "gradient_squared":
                slopes = [emit(torch.square, self._slope(operand, axis)) for axis in range(self._dimension)]
                return slopes[0] if len(slopes) == 1 else emit(left_sum, *slopes)
        axis = OPERATORS[node.name].axis
        if axis is None:
            raise EquationTypeError(f"{node} is not defined in {node.coordinates} coordinates")
        return self._slope(operand, axis)

    def _slope(self, operand: Node, axis: int) -> int:
        values = self._full(operand, self._along(axis))
        return self._lowering.emit(partial(orthogonal_slope, cells=self._cells, axis=axis), values)

    def _outflow(self, vector: Node, axis: int) -> int:
        values = self._full(component_of(vector, axis), self._along(axis))
        return self._lowering.emit(partial(orthogonal_outflow, cells=self._cells, axis=axis), values)

    def _wraps(self, axis: int) -> bool:
        return self._layout.is_periodic(axis)

    def _along(self, axis: int) -> Place:
        return GRID if self._wraps(axis) else extended(axis, 1)

    def _around(self) -> Place:
        return Place(tuple((axis, 1) for axis in range(self._dimension) if not self._wraps(axis)))

    def _full(self, operand: Node, place: Place) -> int:
        """The operand at `place`, with all its points along every axis."""
        register = self._lowering.cast(operand, place)
        shape = tuple(n + 2 * place.width(axis) for axis, n in enumerate(self._layout.required_grid().shape))
        return self._lowering.emit(partial(arrays.spread, shape=shape), register, self._lowering.like)


class OnMetric:
    """Emits the operators of a Riemannian metric."""

    def __init__(self, lowering: Lowering, flat: WholeGrid) -> None:
        self._lowering = lowering
        self._layout = lowering.layout
        self._flat = flat

    def compile(self, node: SpatialOperator) -> int:
        """Register of `node` on the grid."""
        emit, operand = self._lowering.emit, node.operands[-1]
        if node.name == "gradient_squared":
            slopes = [axis.derivative(operand, 1) for axis in self._flat.axes]
            return emit(arrays.squared_gradient_on, self._lowering.metric, *slopes)
        grid = self._layout.required_grid()
        walls = tuple(self._flat.walls(operand, axis) for axis in range(grid.dimension))
        function = partial(arrays.laplacian_on, spacing=grid.spacing, walls=walls)
        sources = [self._lowering.metric, self._flat.everywhere(operand, self._flat.around(1))]
        if node.name == "diffusion":
            sources.append(self._lowering.cast(node.operands[0], GRID))
        return emit(function, *sources)
