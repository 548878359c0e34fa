"""Central differences between the cells of a mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property, partial

from fieldsolver.errors import BoundaryError, GridError
from fieldsolver.space.boundary import Dirichlet, Side
from fieldsolver.space.masked_cells import MaskedCells, difference
from fieldsolver.space.operators import derivative_weights

from ...graph import CoordinateSymbol, Depends, FieldSymbol, Node, walk
from ...parity import parity
from .. import arrays
from ..layout import Layout
from ..place import GRID, Place, extended
from .axis_scheme import AxisScheme
from .ghost_layers import GhostLayers

AT_MASK = Place(at_mask=True)


class Masked(AxisScheme):
    """Differences of second order; through a face of the mask a cell sees what the condition there makes of it.

    Without flux that is its own value, of whatever is computed from the fields point by point. Where a field is held, f
    of the fields has the value f(g) on the face, so the cell sees ``2 f(g) - f``.
    """

    @cached_property
    def periodic(self) -> bool:
        """Whether values are taken from the other end by wrapping instead of from ghost layers."""
        return self.layout.is_periodic(self.axis)

    def weights(self, m: int) -> tuple[float, ...]:
        """Weights of the first or second derivative."""
        return derivative_weights(m, 2, self.grid.spacing[self.axis])

    def derivative(self, operand: Node, m: int) -> int:
        if m > 2:
            raise GridError(
                f"with mask= a derivative along {self.grid.axes[self.axis]!r} is the first or the second, not of order "
                f"{m} of {operand}; declare a lower derivative as a field of its own, or nest second ones"
            )
        return self.lowering.emit(partial(difference, weights=self.weights(m)), self.neighbours(operand))

    def diffusion(self, coefficient: Node, operand: Node) -> int:
        place = GRID if self.periodic else extended(self.axis, 1)
        value = self.lowering.cast(coefficient, place)
        if coefficient.depends & Depends.SPACE:
            value = self._look(self.spread(coefficient, value, place), 1.0)  # on a face of the mask, of the cell inside
        function = partial(arrays.diffuse_masked, spacing=self.grid.spacing[self.axis])
        return self.lowering.emit(function, value, self.neighbours(operand))

    def advection(self, speed: Node, operand: Node) -> int:
        return self.lowering.emit(arrays.multiply, self.lowering.cast(speed, GRID), self.derivative(operand, 1))

    def neighbours(self, operand: Node) -> int:
        """Register of what every cell sees of `operand` along this axis."""
        sign, held = self._closure(operand)
        values = GhostLayers(self.lowering, self.axis).extended(operand, 2)
        return self._look(values, sign, *held)

    def _look(self, values: int, sign: float, *held: int) -> int:
        look = partial(MaskedCells.look, axis=self.axis, ghosts=not self.periodic, sign=sign)
        return self.lowering.emit(look, self.lowering.cells, values, *held)

    def _closure(self, operand: Node) -> tuple[float, tuple[int, ...]]:
        """The sign with which a cell sees itself, and the register of the value on the faces if it is not zero."""
        fields = [node.name for node in walk(operand) if isinstance(node, FieldSymbol)]
        held = any(isinstance(self.layout.mask_conditions[name], Dirichlet) for name in fields)
        along = any(isinstance(node, CoordinateSymbol) and node.axis == self.axis for node in walk(operand))
        if operand.pointwise and not along:
            if not held:
                return 1.0, ()
            odd = parity(operand, _mirrored(self.layout, self.axis), (self.axis, 0)) == -1
            return -1.0, () if odd else (self.lowering.compile(operand, AT_MASK),)
        sign = parity(operand, _mirrored(self.layout, self.axis), (self.axis, 0))
        if sign == 0:
            raise BoundaryError(
                f"at the mask a condition is needed for {operand}, and it follows only from those of its fields: for "
                f"expressions without the coordinate {self.grid.axes[self.axis]!r}, and for derivatives of fields "
                'with "mask": fs.Neumann(0) or fs.Dirichlet(0); declare that expression as a field of its own'
            )
        return float(sign), ()


def _mirrored(layout: Layout, axis: int) -> Layout:
    """The layout of a domain whose walls across `axis` are those of the mask: `parity` knows what they do."""
    sides: tuple[Side, Side] = ((axis, 0), (axis, 1))

    def both(entries: Mapping[str, object]) -> dict[str, dict[Side, object]]:
        return {name: dict.fromkeys(sides, entry) for name, entry in entries.items()}

    return replace(layout, conditions=both(layout.mask_conditions), wall_values=both(layout.mask_values))  # type: ignore[arg-type]  # one helper for both
