"""Derivatives of the trigonometric interpolant."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from fieldsolver.errors import BoundaryError

from ...graph import Depends, Node
from .. import arrays
from ..place import GRID
from .axis_scheme import AxisScheme

if TYPE_CHECKING:
    from fieldsolver.space.spectral import SpectralLine


class Transforms(AxisScheme):
    """Differentiation of the trigonometric interpolant, by the transform that fits the symmetry of the operand."""

    def derivative(self, operand: Node, m: int) -> int:
        line = self.line(operand)
        return self.lowering.emit(partial(line.derivative, dim=self.dim, m=m), self.full(operand))

    def diffusion(self, coefficient: Node, operand: Node) -> int:
        line = self.line(operand)
        if coefficient.depends & Depends.SPACE and self.lowering.walls.parity(coefficient, self.axis) != (1, 1):
            raise BoundaryError(
                f"the spectral diffusion({coefficient}, {operand}) needs a coefficient that is even at the walls of "
                f"{self.grid.axes[self.axis]!r}; use scheme=fs.FiniteDifference(order=4) on this axis"
            )
        slope = self.lowering.emit(partial(line.derivative, dim=self.dim, m=1), self.full(operand))
        flux = self.lowering.emit(arrays.multiply, self.lowering.cast(coefficient, GRID), slope)
        # A slope changes its symmetry at a wall, but not where the axis continues at its other end.
        turned = line if self.layout.is_closed(self.axis) else self._line([-sign for sign in self._signs(operand)])
        return self.lowering.emit(partial(turned.derivative, dim=self.dim, m=1), flux)

    def advection(self, speed: Node, operand: Node) -> int:
        return self.lowering.emit(arrays.multiply, self.lowering.cast(speed, GRID), self.derivative(operand, 1))

    def line(self, operand: Node) -> SpectralLine:
        """The transform that fits `operand`."""
        return self._line(self._signs(operand))

    def _signs(self, operand: Node) -> tuple[int, int]:
        return self.lowering.walls.parity(operand, self.axis)

    def _line(self, signs: Sequence[int]) -> SpectralLine:
        from fieldsolver.space.spectral import SpectralLine

        kinds = {(1, 1): "cosine", (-1, -1): "sine", (-1, 1): "sine-cosine", (1, -1): "cosine-sine"}
        kind = kinds[signs[0], signs[1]]
        if self.layout.is_closed(self.axis):
            kind = "fourier" if self.layout.is_periodic(self.axis) or signs[0] == 1 else "anti-fourier"
        grid, axis = self.grid, self.axis
        return SpectralLine(kind, grid.shape[axis], grid.lengths[axis], grid.has_end_nodes(axis))
