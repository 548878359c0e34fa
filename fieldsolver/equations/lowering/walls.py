"""What lies on and beyond the ends of an axis: bound nodes, ghost layers, and the data of penalties."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fieldsolver.errors import BoundaryError, GridError
from fieldsolver.space.boundary import Absorbing, Condition, Dirichlet, Neumann, Side, is_closed, side_name
from fieldsolver.space.closure import GhostRule, ghost_rule_at

from ..graph import CoordinateSymbol, Depends, FieldSymbol, Node, Number, walk
from ..parity import parity
from . import arrays
from .axes import chebyshev_line
from .layout import held_sides, wraps
from .place import Place
from .pointwise import fold_constant, like_state

if TYPE_CHECKING:
    from .lower import Lowering


class Walls:
    """Boundary conditions as instructions on the tape of a `Lowering`."""

    def __init__(self, lowering: Lowering) -> None:
        self._lowering = lowering
        self._layout = lowering.layout
        self._bound: dict[str, int] = {}

    # -- the unknowns ---------------------------------------------------------------------------------------------

    def at_mask(self, field: FieldSymbol) -> int:
        """The field on the faces of the mask: its value there, or without flux that of the cell inside."""
        if isinstance(self._layout.mask_conditions[field.name], Dirichlet):
            node = self._layout.mask_values[field.name]
            return self._on_points(self._lowering.cast(node, Place()), node)
        return self._lowering.compile(field)

    def bind(self, field: FieldSymbol, register: int) -> int:
        """The field with the nodes that its boundary condition determines set to what it says."""
        if field.name not in self._bound:
            held = held_sides(self._layout, field.name)
            for axis in sorted({axis for axis, _ in held}):
                if self._layout.collocates(axis):
                    register = self._collocate(field, register, axis)
            plain = [side for side in held if not self._layout.collocates(side[0])]
            for position, side in enumerate(plain):
                value = self.value(field.name, side)
                hold = partial(
                    arrays.hold, side=side, held_before=tuple(plain[:position]), dimension=self._layout.dimension
                )
                register = self._lowering.emit(hold, register, *([] if value is None else [value]))
            self._bound[field.name] = self._lowering.settle(register)
        return self._bound[field.name]

    def _collocate(self, field: FieldSymbol, register: int, axis: int) -> int:
        grid, conditions = self._layout.required_grid(), self._conditions(field, axis)
        if any(isinstance(condition, Absorbing) for condition in conditions):
            raise BoundaryError(
                f"Absorbing walls do not go with the Chebyshev points of {grid.axes[axis]!r}; use finite differences "
                "on this axis, uniform or not"
            )
        data = self._data(field, axis, Place())
        line = chebyshev_line(grid, axis)
        bind = partial(
            arrays.collocate, line=line, dim=axis - grid.dimension, conditions=conditions, given=_given(data)
        )
        return self._lowering.emit(bind, register, *_present(data))

    def value(self, field: str, side: Side, place: Place | None = None) -> int | None:
        """Register of the boundary value of a side, None for zero; with the ghost layers of `place` along the wall."""
        node = self._layout.wall_values[field].get(side)
        if node is None:
            raise BoundaryError(
                f"a stencil acts on {field!r} at {side_name(side, self._layout.required_grid().axes)!r}, where "
                "Absorbing says nothing of the velocity; use fs.Neumann(0) there, or drop that term"
            )
        if isinstance(node, Number) and node.value == 0:
            return None
        register = self._lowering.compile(node, (place or Place()).on(side))
        if node.depends & Depends.TIME and not node.depends & (Depends.SPACE | Depends.STATE):
            register = self._lowering.emit(like_state, register, self._lowering.like)
        return register

    def trace(self, field: FieldSymbol, place: Place) -> int:
        """The field on a wall: its Dirichlet value, else what the unknowns next to the wall say."""
        side = place.wall
        if side is None:
            raise ValueError("a trace is taken on a wall")
        if isinstance(self._layout.conditions[field.name][side], Dirichlet):
            register = self.value(field.name, side, place)
            return self._on_points(register, self._layout.wall_values[field.name][side])
        inside = self._lowering.compile(field, Place(place.ghosts))
        grid = self._layout.required_grid()
        take = partial(arrays.trace, dim=side[0] - grid.dimension, end=side[1], on_node=grid.has_end_nodes(side[0]))
        return self._lowering.emit(take, inside)

    def _on_points(self, register: int | None, node: Node) -> int:
        """A boundary value as an array, which functions and modules can be applied to; None for zero."""
        if register is None or node.depends == Depends.NOTHING:
            value = 0.0 if register is None else fold_constant(node)
            spread = partial(arrays.constant, value, dimension=self._layout.dimension)
            return self._lowering.emit(spread, self._lowering.like)
        return register

    # -- ghost layers ---------------------------------------------------------------------------------------------

    def extend_field(self, field: FieldSymbol, register: int, place: Place) -> int:
        """Ghost layers that the conditions of the field determine, axis after axis."""
        for axis, width in place.ghosts:
            low, high = self._conditions(field, axis)
            if is_closed(low):
                register = self._wrap(register, axis, width, wraps(low))
            else:
                rules = self._rule(low, (axis, 0), width), self._rule(high, (axis, 1), width)
                register = self._reflect(register, axis, rules, self._data(field, axis, place.before(axis)))
        return register

    def extend_evenly(self, register: int, place: Place) -> int:
        """Ghost layers of something known on the grid alone: it repeats on closed axes, and is mirrored at walls."""
        for axis, width in place.ghosts:
            if self._layout.is_closed(axis):
                register = self._wrap(register, axis, width, 1.0)
            else:
                low, high = (self._rule(Neumann(0.0), (axis, end), width) for end in (0, 1))
                register = self._reflect(register, axis, (low, high), (None, None))
        return register

    def extend_by_parity(self, node: Node, place: Place) -> int:
        """Ghosts of a derivative or nonlocal term: its reflection is known when its fields reflect homogeneously."""
        register = self._lowering.compile(node)
        for axis, width in place.ghosts:
            signs = self.parity(node, axis)
            if self._layout.is_closed(axis):
                register = self._wrap(register, axis, width, float(signs[0]))
            else:
                mirrors = [Neumann(0.0) if sign > 0 else Dirichlet(0.0) for sign in signs]
                low, high = (self._rule(mirror, (axis, end), width) for end, mirror in enumerate(mirrors))
                register = self._reflect(register, axis, (low, high), (None, None))
        return register

    def parity(self, node: Node, axis: int) -> tuple[int, int]:
        """Signs with which `node` continues beyond both ends of `axis`; refuses what has none."""
        if self._layout.is_periodic(axis):
            return 1, 1
        signs = [parity(node, self._layout, (axis, end)) for end in (0, 1)]
        if 0 in signs:
            name = side_name((axis, signs.index(0)), self._layout.required_grid().axes)
            raise BoundaryError(
                f"a stencil near {name!r} needs values of {node} beyond the wall, and they follow only from "
                "periodic, Neumann(0) or Dirichlet(0) conditions; change the condition there, or "
                "declare that expression as a field of its own"
            )
        return signs[0], signs[1]

    def _wrap(self, register: int, axis: int, width: int, sign: float) -> int:
        grid = self._layout.required_grid()
        if grid.shape[axis] < 2 * width + 1:
            raise GridError(
                f"axis {grid.axes[axis]!r} has {grid.shape[axis]} points, but the stencil needs at least "
                f"{2 * width + 1} where the axis closes on itself; use a finer grid or a lower order"
            )
        function = partial(arrays.with_wrapped_ghosts, dim=axis - grid.dimension, width=width, sign=sign)
        return self._lowering.emit(function, register)

    def _reflect(
        self, register: int, axis: int, rules: tuple[GhostRule, GhostRule], data: tuple[int | None, int | None]
    ) -> int:
        grid = self._layout.required_grid()
        function = partial(
            arrays.with_ghosts,
            dim=axis - grid.dimension,
            rules=rules,
            has_data=_given(data),
            on_node=grid.has_end_nodes(axis),
        )
        return self._lowering.emit(function, register, *_present(data))

    def _rule(self, condition: Condition, side: Side, width: int) -> GhostRule:
        grid, (axis, end) = self._layout.required_grid(), side
        on_node = grid.has_end_nodes(axis)
        needed = width + int(on_node)
        if grid.shape[axis] < needed:
            raise GridError(
                f"axis {grid.axes[axis]!r} has {grid.shape[axis]} points, but the stencil needs "
                f"at least {needed} next to a wall; use a finer grid or a lower space_order"
            )
        if isinstance(condition, Absorbing):
            condition = Neumann(0.0)  # whose slope follows from the velocity: its data
        return ghost_rule_at(condition, grid.mirror_distances(axis, end, width), on_node=on_node)

    # -- data of penalties ----------------------------------------------------------------------------------------

    def condition(self, operand: Node, side: Side) -> tuple[Condition, int | None]:
        """The boundary condition that an expression obeys, as those of its fields imply it, and its data."""
        if isinstance(operand, FieldSymbol):
            condition = self._layout.conditions[operand.name][side]
            if isinstance(condition, Absorbing):
                condition = Neumann(0.0)
            return condition, self.value(operand.name, side)
        conditions = self.conditions_of(operand, side)
        if operand.pointwise and all(isinstance(condition, Dirichlet) for condition in conditions):
            return Dirichlet(0.0), self._lowering.compile(operand, Place(wall=side))
        sign = parity(operand, self._layout, side)
        if sign == 0 or any(isinstance(n, CoordinateSymbol) and n.axis == side[0] for n in walk(operand)):
            name = side_name(side, self._layout.required_grid().axes)
            raise BoundaryError(
                f"at {name!r} a condition is needed for {operand}, and it follows only from Dirichlet conditions, "
                "or from Neumann(0), of its fields; declare that expression as a field of its own"
            )
        return (Neumann(0.0) if sign > 0 else Dirichlet(0.0)), None

    def conditions_of(self, operand: Node, side: Side) -> list[Condition]:
        """The conditions of the fields in an expression."""
        fields = [node for node in walk(operand) if isinstance(node, FieldSymbol)]
        return [self._layout.conditions[node.name][side] for node in fields]

    def _conditions(self, field: FieldSymbol, axis: int) -> tuple[Condition, Condition]:
        sides = self._layout.conditions[field.name]
        return sides[axis, 0], sides[axis, 1]

    def _data(self, field: FieldSymbol, axis: int, place: Place) -> tuple[int | None, int | None]:
        low, high = (
            None if is_closed(condition) else self.value(field.name, (axis, end), place)
            for end, condition in enumerate(self._conditions(field, axis))
        )
        return low, high


def _given(data: tuple[int | None, int | None]) -> tuple[bool, bool]:
    return data[0] is not None, data[1] is not None


def _present(data: tuple[int | None, int | None]) -> list[int]:
    return [value for value in data if value is not None]
