"""What the lowering needs to know besides the graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from fieldsolver.errors import GridError
from fieldsolver.space.boundary import Condition, Dirichlet, Periodic, Side
from fieldsolver.space.convolution import Kernel
from fieldsolver.space.grid import Grid

from ..graph import Node


@dataclass(frozen=True)
class Layout:
    """What the lowering needs to know besides the graph.

    Attributes:
        fields: the fields in state order, with their first component and number of components.
        parameters: names, in the order in which their values are passed.
        modules: names of the declared modules.
        grid: the grid, or None.
        conditions: per field and side.
        wall_values: expression of the boundary value per field and side; absent on periodic sides.
        space_order: 2 or 4.
        nonlocal_modules: names of the modules that see the whole grid.
        kernels: declared convolution kernels.
        signals: knots of the sampled inputs, float64 ``(K,)``.
    """

    fields: Mapping[str, tuple[int, int]]
    parameters: tuple[str, ...]
    modules: tuple[str, ...]
    grid: Grid | None
    conditions: Mapping[str, Mapping[Side, Condition]]
    wall_values: Mapping[str, Mapping[Side, Node]]
    space_order: int
    nonlocal_modules: frozenset[str] = frozenset()
    kernels: Mapping[str, Kernel] = field(default_factory=dict)
    signals: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def dimension(self) -> int:
        """Number of grid axes."""
        return self.grid.dimension if self.grid else 0

    def required_grid(self) -> Grid:
        """The grid; raises `GridError` if there is none."""
        if self.grid is None:
            raise GridError("this expression needs a grid; pass grid=fs.Grid(...)")
        return self.grid

    def is_periodic(self, axis: int) -> bool:
        """Whether `axis` closes on itself."""
        return any(isinstance(sides[axis, 0], Periodic) for sides in self.conditions.values())


def knots(signal: str) -> str:
    """Name of the input that holds the times of a signal."""
    return f"times of {signal}"


def held_sides(layout: Layout, field: str) -> list[Side]:
    """Sides on which the unknowns of `field` are held at the wall's value (Dirichlet, node-centred)."""
    if layout.grid is None:
        return []
    return [
        side
        for side, condition in layout.conditions[field].items()
        if isinstance(condition, Dirichlet) and layout.grid.has_end_nodes(side[0])
    ]
