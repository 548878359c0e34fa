"""Central differences on arrays that carry ghost layers."""

from __future__ import annotations

from functools import cached_property, partial

from fieldsolver.errors import GridError
from fieldsolver.space.advection_schemes import ADVECTION_SCHEMES
from fieldsolver.space.boundary import Dirichlet
from fieldsolver.space.nonuniform import axis_derivative_weights, axis_diffusion_weights
from fieldsolver.space.operators import FaceWeights, Wall, derivative, diffusion_half_width, stencil_half_width
from fieldsolver.space.schemes import FiniteDifference
from fieldsolver.space.table import Table

from ...graph import FieldSymbol, Node, walk
from ...parity import parity
from .. import arrays
from ..place import GRID, Place, extended
from .axis_scheme import AxisScheme


class GhostLayers(AxisScheme):
    """Central differences on an array that carries ghost layers at walls."""

    @property
    def scheme(self) -> FiniteDifference:
        """The finite differences of this axis."""
        scheme = self.layout.schemes[self.axis]
        if not isinstance(scheme, FiniteDifference):
            raise TypeError("ghost layers belong to finite differences")
        return scheme

    @cached_property
    def periodic(self) -> bool:
        """Whether values are taken from the other end by wrapping instead of from ghost layers."""
        return self.layout.is_periodic(self.axis)

    def derivative(self, operand: Node, m: int) -> int:
        function = partial(derivative, dim=self.dim, weights=self.weights(m), periodic=self.periodic)
        return self.lowering.emit(function, self.extended(operand, m))

    def weights(self, m: int) -> tuple[float, ...] | Table:
        """Weights of the `m`-th derivative."""
        closed = self.layout.is_closed(self.axis)
        return axis_derivative_weights(self.grid, self.axis, m, self.scheme.order, periodic=closed)

    def extended(self, operand: Node, m: int) -> int:
        """The operand with the ghost layers that the `m`-th derivative needs; without any if it wraps."""
        return self.full(operand, self._place(stencil_half_width(m, self.scheme.order)))

    def diffusion(self, coefficient: Node, operand: Node) -> int:
        order = self.scheme.order
        place = self._place(diffusion_half_width(order))
        function = partial(
            arrays.diffuse,
            dim=self.dim,
            weights=self._face_weights(),
            walls=self._walls(operand),
        )
        value = self.lowering.cast(coefficient, place)
        return self.lowering.emit(function, value, self.full(operand, place))

    def advection(self, speed: Node, operand: Node) -> int:
        if self.scheme.advection == "central":
            slope = self.derivative(operand, 1)
            return self.lowering.emit(arrays.multiply, self.lowering.cast(speed, GRID), slope)
        scheme = ADVECTION_SCHEMES[self.scheme.advection]
        if not self.grid.is_uniform(self.axis):
            name = self.grid.axes[self.axis]
            raise GridError(
                f"advection={scheme.name!r} needs uniform spacing, and axis {name!r} has positions of its own; use "
                "advection='central'"
            )
        function = partial(
            arrays.advect, scheme=scheme, dim=self.dim, spacing=self.grid.spacing[self.axis], periodic=self.periodic
        )
        velocity = self.lowering.cast(speed, GRID)
        return self.lowering.emit(function, velocity, self.full(operand, self._place(scheme.width)))

    def _face_weights(self) -> tuple[tuple[float, ...], tuple[float, ...]] | FaceWeights:
        if self.layout.is_closed(self.axis) and not self.periodic and not self.grid.is_uniform(self.axis):
            raise GridError(
                f"diffusion(D, u) along the anti-periodic axis {self.grid.axes[self.axis]!r} needs uniform spacing; "
                "drop its nodes"
            )
        return axis_diffusion_weights(self.grid, self.axis, self.scheme.order, periodic=self.periodic)

    def _place(self, width: int) -> Place:
        if not self.periodic:
            return extended(self.axis, width)
        if self.grid.shape[self.axis] < 2 * width + 1:
            raise GridError(
                f"axis {self.grid.axes[self.axis]!r} has {self.grid.shape[self.axis]} points, but the periodic stencil "
                f"needs at least {2 * width + 1}"
            )
        return GRID

    def _walls(self, operand: Node) -> tuple[Wall, ...] | None:
        if self.periodic:
            return None
        if self.layout.is_closed(self.axis):
            return ()
        on_node = self.grid.has_end_nodes(self.axis)
        return Wall(on_node, self._is_held(operand, 0)), Wall(on_node, self._is_held(operand, 1))

    def _is_held(self, operand: Node, end: int) -> bool:
        fields = [node.name for node in walk(operand) if isinstance(node, FieldSymbol)]
        kinds = [isinstance(self.layout.conditions[name][self.axis, end], Dirichlet) for name in fields]
        return (bool(kinds) and all(kinds)) or parity(operand, self.layout, (self.axis, end)) == -1
