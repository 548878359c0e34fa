"""Differential operators: what they mean axis by axis, and those that act on the whole grid at once."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

import torch

from fieldsolver.errors import EquationTypeError

from ..calculus.expansion import component_of, expand, is_composed
from ..graph import Reduction, SpatialOperator
from ..vocabulary import OPERATORS
from . import arrays
from .axes import AxisScheme, axis_scheme
from .curved import FiniteVolumes, OnMetric
from .place import Place, refuse_on_wall
from .pointwise import left_sum
from .whole_grid import WholeGrid

if TYPE_CHECKING:
    from .lower import Lowering


class Operators:
    """Emits differential operators onto the tape of a `Lowering`."""

    def __init__(self, lowering: Lowering) -> None:
        self._lowering = lowering
        self._layout = lowering.layout

    @cached_property
    def axes(self) -> tuple[AxisScheme, ...]:
        """One scheme per axis."""
        return tuple(axis_scheme(self._lowering, axis) for axis in range(self._layout.dimension))

    @cached_property
    def _whole_grid(self) -> WholeGrid:
        return WholeGrid(self._lowering, self.axes)

    @cached_property
    def _curved(self) -> FiniteVolumes | OnMetric:
        return OnMetric(self._lowering, self._whole_grid) if self._layout.metric else FiniteVolumes(self._lowering)

    def compile(self, node: SpatialOperator, place: Place) -> int:
        """Register of an operator at `place`."""
        refuse_on_wall(node, place)
        if node.coordinates != self._layout.coordinates:
            raise EquationTypeError(
                f"{node} is meant in {node.coordinates} coordinates, but the equation has {self._layout.coordinates} "
                "ones; make it with fs.Symbols(grid)"
            )
        if is_composed(node) and not self._is_upwinded(node):
            return self._lowering.compile(expand(node, self._layout.dimension), place)
        if place.ghosts:
            return self._lowering.walls.extend_by_parity(node, place)
        return self._lowering.settle(self._on_grid(node))

    def _on_grid(self, node: SpatialOperator) -> int:
        if self._layout.is_curved:
            return self._curved.compile(node)
        whole = self._whole_grid.compile(node)
        if whole is not None:
            return whole
        word = OPERATORS[node.name]
        along = range(self._layout.dimension) if word.axis is None else (word.axis,)
        terms = [self._along(node, self.axes[axis]) for axis in along]
        return terms[0] if len(terms) == 1 else self._lowering.emit(left_sum, *terms)

    def reduction(self, node: Reduction) -> int:
        """Register of an integral or a mean over the grid."""
        layout, mean = self._layout, node.content[0] == "mean"
        if layout.metric is not None:
            return self._integral_on_metric(node)
        cells = [self._lowering.cells] if layout.mask is not None else []
        whole = replace(layout, mask=None)  # the mask comes with its cells, which may differ between samples
        function = partial(arrays.integrate, weights=whole.weights, on_host=whole.weights(), mean=mean)
        return self._lowering.emit(function, self._lowering.like, self._lowering.compile(node.operands[0]), *cells)

    def _integral_on_metric(self, node: Reduction) -> int:
        grid, mean = self._layout.required_grid(), node.content[0] == "mean"
        function = partial(arrays.integrate_on, weights=grid.weights, on_host=grid.weights(), mean=mean)
        values = self._lowering.compile(node.operands[0])
        return self._lowering.emit(function, self._lowering.metric, self._lowering.like, values)

    def _along(self, node: SpatialOperator, axis: AxisScheme) -> int:
        operand = node.operands[-1]
        match node.name:
            case "gradient_squared":
                return self._lowering.emit(torch.square, axis.derivative(operand, 1))
            case "diffusion":
                return axis.diffusion(node.operands[0], operand)
            case "advection":
                return axis.advection(component_of(node.operands[0], axis.axis), operand)
        return axis.derivative(operand, OPERATORS[node.name].derivative_order)

    def _is_upwinded(self, node: SpatialOperator) -> bool:
        return node.name == "advection" and self._layout.upwinds
