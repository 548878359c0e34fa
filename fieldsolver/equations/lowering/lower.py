"""Graph to torch: one pure, differentiable, batched function per equation.

Arrays are ``(*batch, c, *grid)`` with the component axis always there. Near a wall a stencil needs ghost values. They
are made by evaluating its operand on a grid that carries ghost layers along that axis: a field is extended by its
boundary condition, and whatever is computed from it point by point follows. So ``laplacian(u**2)`` uses the ghosts of
``u``, squared, and no condition for ``u**2`` has to be invented.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch

from fieldsolver.errors import BoundaryError, GridError
from fieldsolver.space.boundary import Condition, Dirichlet, Neumann, Side, side_name
from fieldsolver.space.closure import GhostRule, ghost_rule
from fieldsolver.space.operators import (
    Wall,
    derivative,
    derivative_weights,
    diffusion_half_width,
    diffusion_weights,
    stencil_half_width,
)

from ..calculus.expansion import COMPOSED, component_of, expand
from ..graph import (
    Comparison,
    Component,
    Constant,
    Convolution,
    CoordinateSymbol,
    DefinedSymbol,
    Depends,
    Dot,
    FieldSymbol,
    MatrixProduct,
    ModuleCall,
    Negative,
    Node,
    Number,
    ParameterSymbol,
    Reduction,
    SignalSymbol,
    SpatialOperator,
    Stack,
    Sum,
    TimeSymbol,
    Treatment,
    walk,
)
from ..parity import parity
from ..signals import sample
from ..vocabulary import OPERATORS
from . import arrays
from .layout import Layout, held_sides, knots
from .place import Extended, OnWall, Place
from .pointwise import fold_constant, left_sum, like_state, pointwise_function, signed_sum
from .tape import Tape, TapeBuilder


class Lowering:
    """Compiles expressions of one equation onto a tape.

    The first registers hold the fields, then the parameters, the knots of signals, the kernels, the modules, the time,
    and a state to take dtype and device from.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        times = [knots(name) for name in layout.signals]
        inputs = [*layout.fields, *layout.parameters, *times, *layout.kernels, *layout.modules, "t", "like"]
        self._input = {name: register for register, name in enumerate(inputs)}
        self._tape = TapeBuilder(len(inputs))
        self._memo: dict[tuple[Node, Place], int] = {}

    def finish(self, outputs: Sequence[int]) -> Tape:
        """The program computing `outputs`."""
        return self._tape.finish(outputs)

    def compile(self, node: Node, place: Place = None) -> int:
        """Return the register that holds `node` at `place`."""
        if isinstance(place, Extended) and not node.depends & Depends.SPACE:
            place = None  # what does not vary in space needs no ghosts
        key = (node, place)
        if key not in self._memo:
            self._memo[key] = self._compile(node, place)
        return self._memo[key]

    def _compile(self, node: Node, place: Place) -> int:
        match node:
            case Number() | Constant() | TimeSymbol() | ParameterSymbol() | FieldSymbol() | CoordinateSymbol():
                return self._leaf(node, place)
            case SpatialOperator():
                return self._operator(node, place)
            case Convolution():
                return self._convolution(node, place)
            case Reduction():
                return self._reduction(node, place)
            case ModuleCall():
                return self._module(node, place)
            case Sum():
                return self._sum(node, place)
            case Component():
                return self._component(node, place)
            case Dot() | Stack() | MatrixProduct():
                return self._over_components(node, place)
            case DefinedSymbol() | Treatment():
                return self.compile(node.operands[0], place)
        if node.depends == Depends.NOTHING:
            return self._literal(node)
        return self._tape.emit(pointwise_function(node), *self._arguments(node, place))

    def _literal(self, node: Node) -> int:
        value = fold_constant(node)
        return self._tape.emit(lambda: value)

    def _component(self, node: Component, place: Place) -> int:
        (operand,) = node.operands
        if operand.components == 1:
            return self.compile(operand, place)  # may be a plain number, which has no axis to pick from
        pushed = component_of(operand, node.content[0])
        if pushed is not node:
            return self.compile(pushed, place)
        pick = partial(arrays.pick, dim=-1 - self.layout.dimension, index=node.content[0])
        return self._tape.emit(pick, self.compile(operand, place))

    def _over_components(self, node: Node, place: Place) -> int:
        functions: dict[type[Node], Callable[..., torch.Tensor]] = {
            Dot: arrays.dot,
            Stack: arrays.stack,
            MatrixProduct: arrays.matrix_product,
        }
        function = partial(functions[type(node)], dimension=self.layout.dimension)
        return self._tape.emit(function, self._input["like"], *self._arguments(node, place))

    def _sum(self, node: Node, place: Place) -> int:
        """Subtract what is negative instead of negating it first: the same number, one pass over memory less."""
        signs = tuple(not isinstance(term, Negative) for term in node.operands)
        terms = [term.operands[0] if isinstance(term, Negative) else term for term in node.operands]
        return self._tape.emit(partial(signed_sum, signs), *self._arguments(node, place, terms))

    def _arguments(self, node: Node, place: Place, operands: Sequence[Node] | None = None) -> list[int]:
        """Registers of the operands; functions of time alone are in float64 and are cast where they meet a field."""
        registers = []
        for operand in node.operands if operands is None else operands:
            register = self.compile(operand, place)
            meets_field = bool(node.depends & (Depends.SPACE | Depends.STATE))
            timelike = bool(operand.depends & Depends.TIME)
            # The branches of where would otherwise decide the precision of the result between themselves.
            branch = node.content == ("where",)
            is_value = not isinstance(operand, Comparison) and not operand.depends & (Depends.SPACE | Depends.STATE)
            if meets_field and is_value and (timelike or branch):
                register = self._tape.emit(like_state, register, self._input["like"])
            registers.append(register)
        return registers

    # -- leaves ---------------------------------------------------------------------------------------------------

    def _leaf(self, node: Node, place: Place) -> int:
        match node:
            case Number() | Constant():
                return self._literal(node)
            case TimeSymbol():
                return self._input["t"]
            case SignalSymbol():
                return self._signal(node)
            case ParameterSymbol():
                return self._parameter(node, place)
            case FieldSymbol():
                return self._field(node, place)
            case CoordinateSymbol():
                return self._coordinate(node, place)
        raise TypeError(f"{type(node).__name__} is not a leaf")

    def _parameter(self, node: ParameterSymbol, place: Place) -> int:
        register = self._input[node.name]
        if isinstance(place, Extended):
            rules = self._rules(Neumann(0.0), place), self._rules(Neumann(0.0), place)
            return self._extend(register, place, rules, (None, None))  # even reflection
        return register

    def _signal(self, node: SignalSymbol) -> int:
        function = partial(sample, dimension=self.layout.dimension)
        return self._tape.emit(function, self._input[node.name], self._input[knots(node.name)], self._input["t"])

    def _field(self, node: FieldSymbol, place: Place) -> int:
        if isinstance(place, OnWall):
            raise BoundaryError(f"boundary values cannot depend on the field {node.name!r}; use Robin(a, b, g) instead")
        bound = self._bind(node)
        if place is None:
            return bound
        conditions = self.layout.conditions[node.name]
        low, high = conditions[place.axis, 0], conditions[place.axis, 1]
        data = tuple(self._wall_value(node.name, (place.axis, end)) for end in (0, 1))
        return self._extend(bound, place, (self._rules(low, place), self._rules(high, place)), data)

    def _bind(self, node: FieldSymbol) -> int:
        """The field with the nodes that lie on a Dirichlet wall set to the value of the wall."""
        key = (node, None)
        if key in self._memo:
            return self._memo[key]
        register = self._input[node.name]
        for side in held_sides(self.layout, node.name):
            value = self._wall_value(node.name, side)
            sources = (register,) if value is None else (register, value)
            dim = side[0] - self.layout.dimension
            register = self._tape.emit(partial(arrays.hold, dim=dim, end=side[1]), *sources)
        self._memo[key] = register
        return register

    def _wall_value(self, field: str, side: Side) -> int | None:
        node = self.layout.wall_values[field][side]
        if isinstance(node, Number) and node.value == 0:
            return None
        register = self.compile(node, OnWall(*side))
        if node.depends & Depends.TIME and not node.depends & Depends.SPACE:
            register = self._tape.emit(like_state, register, self._input["like"])
        return register

    def _rules(self, condition: Condition, place: Extended) -> GhostRule:
        grid = self.layout.required_grid()
        on_node = grid.has_end_nodes(place.axis)
        needed = place.width + int(on_node)
        if grid.shape[place.axis] < needed:
            raise GridError(
                f"axis {grid.axes[place.axis]!r} has {grid.shape[place.axis]} points, but the stencil needs "
                f"at least {needed} next to a wall; use a finer grid or space_order=2"
            )
        return ghost_rule(condition, place.width, grid.spacing[place.axis], on_node=on_node)

    def _extend(
        self,
        register: int,
        place: Extended,
        rules: tuple[GhostRule, GhostRule],
        data: Sequence[int | None],
    ) -> int:
        grid = self.layout.required_grid()
        sources = [register, *(value for value in data if value is not None)]
        function = partial(
            arrays.with_ghosts,
            dim=place.axis - grid.dimension,
            rules=rules,
            has_data=(data[0] is not None, data[1] is not None),
            on_node=grid.has_end_nodes(place.axis),
        )
        return self._tape.emit(function, *sources)

    def _coordinate(self, node: CoordinateSymbol, place: Place) -> int:
        grid = self.layout.required_grid()
        if isinstance(place, OnWall) and place.axis == node.axis:
            wall = grid.bounds[node.axis][place.end]
            return self._tape.emit(partial(like_state, wall), self._input["like"])
        width = place.width if isinstance(place, Extended) and place.axis == node.axis else 0
        positions = partial(grid.coordinate, node.axis, below=width, above=width)
        shape = (-1,) + (1,) * (grid.dimension - 1 - node.axis)
        function = partial(arrays.coordinate, on_host=positions().reshape(shape), positions=positions)
        return self._tape.emit(function, self._input["like"])

    # -- modules and operators ------------------------------------------------------------------------------------

    def _module(self, node: ModuleCall, place: Place) -> int:
        if node.name in self.layout.nonlocal_modules:
            self._refuse_on_wall(node, place)
            if isinstance(place, Extended):
                return self._extend_by_parity(node, place)
            grid = self.layout.required_grid()
            call = partial(arrays.call_nonlocal, dimension=grid.dimension, grid=grid.shape)
        else:
            call = partial(arrays.call_pointwise, dimension=self.layout.dimension)
        sources = [self.compile(operand, place) for operand in node.operands]
        return self._tape.emit(call, self._input[node.name], self._input["like"], *sources)

    def _convolution(self, node: Convolution, place: Place) -> int:
        self._refuse_on_wall(node, place)
        if isinstance(place, Extended):
            return self._extend_by_parity(node, place)
        name, grid = node.content[0], self.layout.required_grid()
        function = partial(arrays.convolve_with, grid=grid, edge=self.layout.kernels[name].edge)
        return self._tape.emit(function, self._input[name], self._input["like"], *self._arguments(node, place))

    def _reduction(self, node: Reduction, place: Place) -> int:
        self._refuse_on_wall(node, place)
        grid = self.layout.required_grid()
        function = partial(arrays.integrate, grid=grid, on_host=grid.weights(), mean=node.content[0] == "mean")
        return self._tape.emit(function, self._input["like"], self.compile(node.operands[0]))

    def _refuse_on_wall(self, node: Node, place: Place) -> None:
        if isinstance(place, OnWall):
            raise BoundaryError(f"boundary values cannot contain {node}")

    def _operator(self, node: SpatialOperator, place: Place) -> int:
        self._refuse_on_wall(node, place)
        if node.name in COMPOSED:
            return self.compile(expand(node, self.layout.dimension), place)
        if isinstance(place, Extended):
            return self._extend_by_parity(node, place)
        word, order = OPERATORS[node.name], self.layout.space_order
        axes = range(self.layout.dimension) if word.axis is None else (word.axis,)
        match node.name:
            case "gradient_squared":
                terms = [self._tape.emit(torch.square, self._derivative(node, axis, 1, order)) for axis in axes]
            case "diffusion":
                terms = [self._diffusion(node, axis, order) for axis in axes]
            case _:
                terms = [self._derivative(node, axis, word.derivative_order, order) for axis in axes]
        return terms[0] if len(terms) == 1 else self._tape.emit(left_sum, *terms)

    def _derivative(self, node: SpatialOperator, axis: int, m: int, order: int) -> int:
        place = self._stencil_place(axis, stencil_half_width(m, order))
        function = partial(
            derivative,
            dim=axis - self.layout.dimension,
            weights=derivative_weights(m, order, self.layout.required_grid().spacing[axis]),
            periodic=self.layout.is_periodic(axis),
        )
        return self._tape.emit(function, self._spread(node.operands[-1], axis, place))

    def _diffusion(self, node: SpatialOperator, axis: int, order: int) -> int:
        place = self._stencil_place(axis, diffusion_half_width(order))
        function = partial(
            arrays.diffuse,
            dim=axis - self.layout.dimension,
            weights=diffusion_weights(order, self.layout.required_grid().spacing[axis]),
            walls=self._walls(node.operands[-1], axis),
        )
        coefficient, _ = self._arguments(node, place)
        return self._tape.emit(function, coefficient, self._spread(node.operands[-1], axis, place))

    def _walls(self, operand: Node, axis: int) -> tuple[Wall, Wall] | None:
        if self.layout.is_periodic(axis):
            return None
        fields = [node.name for node in walk(operand) if isinstance(node, FieldSymbol)]

        def held(end: int) -> bool:
            kinds = [isinstance(self.layout.conditions[name][axis, end], Dirichlet) for name in fields]
            return parity(operand, self.layout, (axis, end)) == -1 or (bool(kinds) and all(kinds))

        on_node = self.layout.required_grid().has_end_nodes(axis)
        return Wall(on_node, held(0)), Wall(on_node, held(1))

    def _spread(self, operand: Node, axis: int, place: Extended | None) -> int:
        """What a stencil along `axis` reads; an expression of ``y`` alone has to be given points along ``x`` first."""
        register = self.compile(operand, place)
        if operand.depends & Depends.STATE:
            return register
        points = self.layout.required_grid().shape[axis] + (2 * place.width if place else 0)
        return self._tape.emit(partial(arrays.expand, dim=axis - self.layout.dimension, size=points), register)

    def _stencil_place(self, axis: int, width: int) -> Extended | None:
        grid = self.layout.required_grid()
        if not self.layout.is_periodic(axis):
            return Extended(axis, width)
        if grid.shape[axis] < 2 * width + 1:
            raise GridError(
                f"axis {grid.axes[axis]!r} has {grid.shape[axis]} points, but the periodic stencil needs "
                f"at least {2 * width + 1}"
            )
        return None

    def _extend_by_parity(self, node: Node, place: Extended) -> int:
        """Ghosts of a derivative or nonlocal term: its reflection is known when its fields reflect homogeneously."""
        rules = []
        for end in (0, 1):
            sign = parity(node, self.layout, (place.axis, end))
            if sign == 0:
                name = side_name((place.axis, end), self.layout.required_grid().axes)
                raise BoundaryError(
                    f"a stencil near {name!r} needs values of {node} beyond the wall, and they follow only from "
                    "periodic, Neumann(0) or Dirichlet(0) conditions; change the condition there, or "
                    "declare that expression as a field of its own"
                )
            rules.append(self._rules(Neumann(0.0) if sign > 0 else Dirichlet(0.0), place))
        return self._extend(self.compile(node, None), place, (rules[0], rules[1]), (None, None))
