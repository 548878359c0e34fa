"""Operators that act on all axes of the grid at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from torch import Tensor

from fieldsolver.errors import GridError
from fieldsolver.space.boundary import Dirichlet, Robin
from fieldsolver.space.isotropic import isotropic_laplacian, isotropic_weights
from fieldsolver.space.laplacian import laplacian
from fieldsolver.space.masked_cells import Neighbours, sum_of_differences
from fieldsolver.space.schemes import ISOTROPIC_POINTS, FiniteDifference
from fieldsolver.space.table import Table
from fieldsolver.space.tensor_diffusion import TensorWall, Walls

from ..graph import MatrixSymbol, Node, SpatialOperator
from ..parity import parity
from . import arrays
from .axes import AxisScheme, GhostLayers, Masked, Transforms
from .place import GRID, Place

if TYPE_CHECKING:
    from .lower import Lowering


class WholeGrid:
    """Emits the operators that are more than a sum over axes, or cheaper than one."""

    def __init__(self, lowering: Lowering, axes: tuple[AxisScheme, ...]) -> None:
        self._lowering = lowering
        self._layout = lowering.layout
        self.axes = axes
        self._ghosted = [axis for axis in axes if isinstance(axis, GhostLayers)]
        self._masked = [axis for axis in axes if isinstance(axis, Masked)]

    def compile(self, node: SpatialOperator) -> int | None:
        """Register of `node`, or None if the axes are to be taken one by one."""
        match node.name:
            case "fractional_laplacian":
                return self._fractional(node)
            case "diffusion" if isinstance(node.operands[0], MatrixSymbol):
                if self._layout.mask is not None:
                    raise GridError(f"{node} with a matrix is not defined with mask=; declare a scalar coefficient")
                return self._tensor_diffusion(node.operands[0], node.operands[1])
            case "laplacian" if self._layout.isotropic:
                return self._isotropic(node.operands[0])
            case "laplacian" if len(self._masked) == len(self.axes) > 1:
                return self._masked_laplacian(node.operands[0])
            case "laplacian" if len(self._ghosted) == len(self.axes) > 1:
                return self._laplacian(node.operands[0])
        return None

    def _laplacian(self, operand: Node) -> int:
        values = self.everywhere(operand, GRID)
        extended = [None if axis.periodic else axis.extended(operand, 2) for axis in self._ghosted]
        weights = tuple(axis.weights(2) for axis in self._ghosted)
        function = partial(_sum_of_axes, weights=weights, extended=tuple(entry is not None for entry in extended))
        return self._lowering.emit(function, values, *[entry for entry in extended if entry is not None])

    def _masked_laplacian(self, operand: Node) -> int:
        seen = [axis.neighbours(operand) for axis in self._masked]
        weights = tuple(axis.weights(2) for axis in self._masked)
        function = partial(_sum_between_cells, weights=weights)
        return self._lowering.emit(function, self.everywhere(operand, GRID), *seen)

    def _isotropic(self, operand: Node) -> int:
        grid = self._layout.required_grid()
        scheme = self._layout.schemes[0]
        if grid.dimension == 1 or any(other != scheme for other in self._layout.schemes):
            raise GridError(
                "an isotropic Laplacian is one stencil over two or three axes, the same for all of them; write "
                f"scheme=fs.FiniteDifference(laplacian='isotropic') without a dict, or 'axes', got {scheme!r}"
            )
        word = scheme.laplacian if isinstance(scheme, FiniteDifference) else ""
        weights = isotropic_weights(ISOTROPIC_POINTS[word][grid.dimension], grid)
        periodic = tuple(self._layout.is_periodic(axis) for axis in range(grid.dimension))
        function = partial(isotropic_laplacian, weights=weights, periodic=periodic)
        return self._lowering.emit(function, self.everywhere(operand, self.around(1)))

    def _tensor_diffusion(self, matrix: MatrixSymbol, operand: Node) -> int:
        grid = self._layout.required_grid()
        for axis, scheme in enumerate(self._layout.schemes):
            plain = isinstance(scheme, FiniteDifference) and scheme.order == 2 and scheme.closure == "reflection"
            if not plain or not grid.is_uniform(axis):
                raise GridError(
                    f"diffusion({matrix}, {operand}) with a matrix is of order 2 on uniform axes; write space_order=2 "
                    f"and no nodes, got {scheme!r} along {grid.axes[axis]!r}"
                )
        walls = tuple(self.walls(operand, axis) for axis in range(grid.dimension))
        function = partial(arrays.diffuse_tensor, spacing=grid.spacing, walls=walls)
        return self._lowering.emit(function, self._lowering.compile(matrix), self.everywhere(operand, self.around(1)))

    def walls(self, operand: Node, axis: int) -> Walls:
        """What tensor_diffusion.py has to know of the ends of an axis."""
        if self._layout.is_periodic(axis):
            return None
        if self._layout.is_closed(axis):
            name = self._layout.required_grid().axes[axis]
            raise GridError(f"diffusion with a matrix or a metric is not defined on the anti-periodic axis {name!r}")
        low, high = (self._wall(operand, axis, end) for end in (0, 1))
        return low, high

    def _wall(self, operand: Node, axis: int, end: int) -> TensorWall:
        on_node = self._layout.required_grid().has_end_nodes(axis)
        conditions = self._lowering.walls.conditions_of(operand, (axis, end))
        if conditions and all(isinstance(condition, Dirichlet) for condition in conditions):
            return TensorWall(on_node, held=True)
        if parity(operand, self._layout, (axis, end)) == -1:
            return TensorWall(on_node, held=True)
        ratios = {condition.a / condition.b if isinstance(condition, Robin) else 0.0 for condition in conditions}
        if len(ratios) > 1:
            raise GridError(f"{operand} mixes fields with different conditions on one wall, under a matrix diffusion")
        return TensorWall(on_node, held=False, robin=ratios.pop() if ratios else 0.0)

    def _fractional(self, node: SpatialOperator) -> int:
        power, operand = node.operands
        lines = []
        for axis in self.axes:
            if not isinstance(axis, Transforms):
                name = self._layout.required_grid().axes[axis.axis]
                raise GridError(f"{node} needs scheme=fs.Spectral() on a uniform grid, also along {name!r}")
            lines.append(axis.line(operand))
        dims = tuple(axis.dim for axis in self.axes)
        function = partial(arrays.fractional, lines=tuple(lines), dims=dims)
        return self._lowering.emit(function, self._lowering.cast(power, GRID), self.everywhere(operand, GRID))

    def around(self, width: int) -> Place:
        """The grid with ghost layers along every axis that is not periodic."""
        grid = self._layout.required_grid()
        for name, points in zip(grid.axes, grid.shape, strict=True):
            if points < 2 * width + 1 and self._layout.is_periodic(grid.axes.index(name)):
                raise GridError(
                    f"axis {name!r} has {points} points, but the periodic stencil needs at least {2 * width + 1}"
                )
        axes = [axis for axis in range(self._layout.dimension) if not self._layout.is_periodic(axis)]
        return Place(tuple((axis, width) for axis in axes))

    def everywhere(self, operand: Node, place: Place) -> int:
        """The operand at `place`, with all its points along every axis."""
        register = self._lowering.compile(operand, place)
        for axis in self.axes:
            register = axis.spread(operand, register, place)
        return register


def _sum_between_cells(values: Tensor, *seen: Neighbours, weights: Sequence[tuple[float, ...]]) -> Tensor:
    return sum_of_differences(values, seen, weights)


def _sum_of_axes(
    values: Tensor, *ghosted: Tensor, weights: Sequence[tuple[float, ...] | Table], extended: Sequence[bool]
) -> Tensor:
    remaining = iter(ghosted)
    return laplacian(values, [next(remaining) if present else None for present in extended], weights)
