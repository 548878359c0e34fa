"""Summation by parts with penalties at the walls."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING

from fieldsolver.errors import EquationTypeError, GridError
from fieldsolver.space.boundary import Condition

from ...graph import Node
from .. import arrays
from ..place import GRID
from .axis_scheme import AxisScheme

if TYPE_CHECKING:
    from fieldsolver.space.summation_by_parts import SummationByParts


class Penalties(AxisScheme):
    """Summation by parts: one-sided differences at the walls, whose conditions act through penalties."""

    @cached_property
    def operator(self) -> SummationByParts:
        """The differences of this axis."""
        from fieldsolver.space.summation_by_parts import SummationByParts

        if not self.grid.has_end_nodes(self.axis):
            raise GridError(
                f"closure='summation_by_parts' needs its walls on nodes; write fs.Grid(..., centring='node') "
                f"for axis {self.grid.axes[self.axis]!r}"
            )
        if not self.grid.is_uniform(self.axis):
            raise GridError(
                f"closure='summation_by_parts' needs uniform spacing, and axis {self.grid.axes[self.axis]!r} has "
                "positions of its own; drop its nodes, or use closure='reflection'"
            )
        order = int(self.layout.schemes[self.axis].order)
        return SummationByParts(order, self.grid.shape[self.axis], self.grid.spacing[self.axis])

    def derivative(self, operand: Node, m: int) -> int:
        if m == 1:
            return self.lowering.emit(partial(self.operator.first, dim=self.dim), self.full(operand))
        if m == 2:
            return self._penalised(arrays.penalised(self.operator.second), operand, [])
        raise EquationTypeError(
            f"summation by parts has first and second derivatives between walls, not the {_ordinal(m)} of {operand}; "
            "declare the second derivative as a field of its own, or use closure='reflection'"
        )

    def diffusion(self, coefficient: Node, operand: Node) -> int:
        return self._penalised(
            arrays.penalised(self.operator.diffusion), operand, [self.lowering.cast(coefficient, GRID)]
        )

    def advection(self, speed: Node, operand: Node) -> int:
        return self._penalised(arrays.penalised(self.operator.advection), operand, [self.lowering.cast(speed, GRID)])

    def _penalised(self, function: arrays.Penalised, operand: Node, before: list[int]) -> int:
        ends = [self.lowering.walls.condition(operand, (self.axis, end)) for end in (0, 1)]
        conditions: tuple[Condition, ...] = tuple(condition for condition, _ in ends)
        data = [register for _, register in ends]
        given = tuple(register is not None for register in data)
        apply = partial(function, dim=self.dim, conditions=conditions, given=given)
        return self.lowering.emit(
            apply, *before, self.full(operand), *[register for register in data if register is not None]
        )


def _ordinal(m: int) -> str:
    return {3: "third", 4: "fourth"}[m]
