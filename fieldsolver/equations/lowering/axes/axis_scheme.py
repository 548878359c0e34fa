"""What every kind of scheme can emit along one axis."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING

from ...graph import Depends, Node
from .. import arrays
from ..place import GRID, Place

if TYPE_CHECKING:
    from ..lower import Lowering


class AxisScheme(ABC):
    """Emits derivatives along one axis."""

    def __init__(self, lowering: Lowering, axis: int) -> None:
        self.lowering = lowering
        self.layout = lowering.layout
        self.grid = lowering.layout.required_grid()
        self.axis = axis
        self.dim = axis - self.grid.dimension

    @abstractmethod
    def derivative(self, operand: Node, m: int) -> int:
        """Register of the `m`-th derivative of `operand`."""

    @abstractmethod
    def diffusion(self, coefficient: Node, operand: Node) -> int:
        """Register of ``d/dx (coefficient d/dx operand)``."""

    @abstractmethod
    def advection(self, speed: Node, operand: Node) -> int:
        """Register of ``speed d/dx operand``."""

    def full(self, operand: Node, place: Place = GRID) -> int:
        """The operand at `place`; an expression of ``y`` alone is given points along ``x`` first."""
        return self.spread(operand, self.lowering.compile(operand, place), place)

    def spread(self, operand: Node, register: int, place: Place = GRID) -> int:
        """`register`, which holds `operand` at `place`, with all points along this axis."""
        if operand.depends & Depends.STATE:
            return register
        points = self.grid.shape[self.axis] + 2 * place.width(self.axis)
        return self.lowering.emit(partial(arrays.expand, dim=self.dim, size=points), register)
