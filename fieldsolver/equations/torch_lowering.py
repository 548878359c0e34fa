"""Graph to torch: one pure, differentiable, batched function per equation.

Arrays are ``(*batch, c, *grid)`` with the component axis always there. Near a wall a stencil needs ghost values.
They are made by evaluating its operand on a grid that carries ghost layers along that axis: a field is extended by
its boundary condition, and whatever is computed from it point by point follows. So ``laplacian(u**2)`` uses the
ghosts of ``u``, squared, and no condition for ``u**2`` has to be invented.
"""

from __future__ import annotations

import cmath
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import torch

from fieldsolver.errors import BoundaryError, EquationTypeError, GridError
from fieldsolver.space.boundary import Condition, Dirichlet, Neumann, Periodic, Side, side_name
from fieldsolver.space.closure import GhostRule, ghost_block, ghost_rule
from fieldsolver.space.grid import Grid
from fieldsolver.space.operators import (
    Wall,
    derivative,
    derivative_weights,
    diffusion,
    diffusion_half_width,
    diffusion_weights,
    stencil_half_width,
)

from .graph import (
    Comparison,
    Component,
    Constant,
    CoordinateSymbol,
    Depends,
    FieldSymbol,
    Function,
    ModuleCall,
    Negative,
    Node,
    Number,
    ParameterSymbol,
    Power,
    Product,
    Quotient,
    SpatialOperator,
    Sum,
    TimeSymbol,
    walk,
)
from .parity import parity
from .tape import Tape, TapeBuilder
from .torch_functions import TORCH_FUNCTIONS, fold
from .vocabulary import CONSTANTS, OPERATORS


@dataclass(frozen=True)
class Extended:
    """Evaluate on the grid with `width` ghost layers on both ends of `axis`."""

    axis: int
    width: int


@dataclass(frozen=True)
class OnWall:
    """Evaluate on one wall of the domain."""

    axis: int
    end: int


Place = Extended | OnWall | None

_COMPLEX = {torch.float32: torch.complex64, torch.float64: torch.complex128}
_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass(frozen=True)
class Layout:
    """What the lowering needs to know besides the graph.

    Attributes:
        fields: the fields in state order, with their first component and number of components.
        parameters: names, in the order in which their values are passed.
        spatial: names of the parameters that vary over the grid.
        modules: names of the declared modules.
        grid: the grid, or None.
        conditions: per field and side.
        wall_values: expression of the boundary value per field and side; absent on periodic sides.
        space_order: 2 or 4.
    """

    fields: Mapping[str, tuple[int, int]]
    parameters: tuple[str, ...]
    spatial: frozenset[str]
    modules: tuple[str, ...]
    grid: Grid | None
    conditions: Mapping[str, Mapping[Side, Condition]]
    wall_values: Mapping[str, Mapping[Side, Node]]
    space_order: int

    @property
    def dimension(self) -> int:
        """Number of grid axes."""
        return self.grid.dimension if self.grid else 0

    def is_periodic(self, axis: int) -> bool:
        """Whether `axis` closes on itself."""
        return any(isinstance(sides[axis, 0], Periodic) for sides in self.conditions.values())


class Lowering:
    """Compiles expressions of one equation onto a tape.

    Registers ``0 .. F-1`` hold the fields, then the parameters, the modules, the time, and a tensor of the state's
    dtype.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        inputs = [*layout.fields, *layout.parameters, *layout.modules, "t", "like"]
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
            case ModuleCall():
                return self._module(node, place)
            case Sum():
                return self._sum(node, place)
            case Component() if node.operands[0].components == 1:
                return self.compile(node.operands[0], place)  # may be a plain number, which has no axis to pick from
            case Component():
                pick = partial(_pick, dim=-1 - self.layout.dimension, index=node.content[0])
                return self._tape.emit(pick, self.compile(node.operands[0], place))
        if node.depends == Depends.NOTHING:
            return self._literal(node)
        return self._tape.emit(pointwise_function(node), *self._arguments(node, place))

    def _literal(self, node: Node) -> int:
        value = fold_constant(node)
        return self._tape.emit(lambda: value)

    def _sum(self, node: Node, place: Place) -> int:
        """Subtract what is negative instead of negating it first: the same number, one pass over memory less."""
        signs = tuple(not isinstance(term, Negative) for term in node.operands)
        terms = [term.operands[0] if isinstance(term, Negative) else term for term in node.operands]
        return self._tape.emit(partial(_signed_sum, signs), *self._arguments(node, place, terms))

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
                register = self._tape.emit(_like_state, register, self._input["like"])
            registers.append(register)
        return registers

    # -- leaves ---------------------------------------------------------------------------------------------------

    def _leaf(self, node: Node, place: Place) -> int:
        match node:
            case Number() | Constant():
                return self._literal(node)
            case TimeSymbol():
                return self._input["t"]
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
            register = self._tape.emit(partial(_hold, dim=dim, end=side[1]), *sources)
        self._memo[key] = register
        return register

    def _wall_value(self, field: str, side: Side) -> int | None:
        node = self.layout.wall_values[field][side]
        if isinstance(node, Number) and node.value == 0:
            return None
        register = self.compile(node, OnWall(*side))
        if node.depends & Depends.TIME and not node.depends & Depends.SPACE:
            register = self._tape.emit(_like_state, register, self._input["like"])
        return register

    def _rules(self, condition: Condition, place: Extended) -> GhostRule:
        grid = self._grid()
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
        grid = self._grid()
        sources = [register, *(value for value in data if value is not None)]
        function = partial(
            _with_ghosts,
            dim=place.axis - grid.dimension,
            rules=rules,
            has_data=(data[0] is not None, data[1] is not None),
            on_node=grid.has_end_nodes(place.axis),
        )
        return self._tape.emit(function, *sources)

    def _coordinate(self, node: CoordinateSymbol, place: Place) -> int:
        grid = self._grid()
        if isinstance(place, OnWall) and place.axis == node.axis:
            wall = grid.bounds[node.axis][place.end]
            return self._tape.emit(partial(_like_state, wall), self._input["like"])
        width = place.width if isinstance(place, Extended) and place.axis == node.axis else 0
        positions = partial(grid.coordinate, node.axis, below=width, above=width)
        shape = (-1,) + (1,) * (grid.dimension - 1 - node.axis)
        function = partial(_coordinate, on_host=positions().reshape(shape), positions=positions)
        return self._tape.emit(function, self._input["like"])

    # -- modules and operators ------------------------------------------------------------------------------------

    def _module(self, node: ModuleCall, place: Place) -> int:
        call = partial(call_pointwise, dimension=self.layout.dimension)
        sources = [self.compile(operand, place) for operand in node.operands]
        return self._tape.emit(call, self._input[node.name], self._input["like"], *sources)

    def _operator(self, node: SpatialOperator, place: Place) -> int:
        if isinstance(place, Extended):
            return self._extend_by_parity(node, place)
        if isinstance(place, OnWall):
            raise BoundaryError(f"boundary values cannot contain {node}")
        word, order = OPERATORS[node.name], self.layout.space_order
        axes = range(self.layout.dimension) if word.axis is None else (word.axis,)
        match node.name:
            case "gradient_squared":
                terms = [self._tape.emit(torch.square, self._derivative(node, axis, 1, order)) for axis in axes]
            case "diffusion":
                terms = [self._diffusion(node, axis, order) for axis in axes]
            case _:
                terms = [self._derivative(node, axis, word.derivative_order, order) for axis in axes]
        return terms[0] if len(terms) == 1 else self._tape.emit(_left_sum, *terms)

    def _derivative(self, node: SpatialOperator, axis: int, m: int, order: int) -> int:
        place = self._stencil_place(axis, stencil_half_width(m, order))
        function = partial(
            derivative,
            dim=axis - self.layout.dimension,
            weights=derivative_weights(m, order, self._grid().spacing[axis]),
            periodic=self.layout.is_periodic(axis),
        )
        return self._tape.emit(function, self._spread(node.operands[-1], axis, place))

    def _diffusion(self, node: SpatialOperator, axis: int, order: int) -> int:
        place = self._stencil_place(axis, diffusion_half_width(order))
        function = partial(
            _diffusion,
            dim=axis - self.layout.dimension,
            weights=diffusion_weights(order, self._grid().spacing[axis]),
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

        on_node = self._grid().has_end_nodes(axis)
        return Wall(on_node, held(0)), Wall(on_node, held(1))

    def _spread(self, operand: Node, axis: int, place: Extended | None) -> int:
        """What a stencil along `axis` reads; an expression of ``y`` alone has to be given points along ``x`` first."""
        register = self.compile(operand, place)
        if operand.depends & Depends.STATE:
            return register
        points = self._grid().shape[axis] + (2 * place.width if place else 0)
        return self._tape.emit(partial(_expand, dim=axis - self.layout.dimension, size=points), register)

    def _stencil_place(self, axis: int, width: int) -> Extended | None:
        grid = self._grid()
        if not self.layout.is_periodic(axis):
            return Extended(axis, width)
        if grid.shape[axis] < 2 * width + 1:
            raise GridError(
                f"axis {grid.axes[axis]!r} has {grid.shape[axis]} points, but the periodic stencil needs "
                f"at least {2 * width + 1}"
            )
        return None

    def _extend_by_parity(self, node: SpatialOperator, place: Extended) -> int:
        """Ghosts of a derivative: its reflection is known when the fields below it are reflected homogeneously."""
        rules = []
        for end in (0, 1):
            sign = parity(node, self.layout, (place.axis, end))
            if sign == 0:
                name = side_name((place.axis, end), self._grid().axes)
                raise BoundaryError(
                    f"a stencil near {name!r} needs values of {node} beyond the wall, and they follow only from "
                    "periodic, Neumann(0) or Dirichlet(0) conditions; change the condition there, or "
                    "declare that expression as a field of its own"
                )
            rules.append(self._rules(Neumann(0.0) if sign > 0 else Dirichlet(0.0), place))
        return self._extend(self.compile(node, None), place, (rules[0], rules[1]), (None, None))

    def _grid(self) -> Grid:
        if self.layout.grid is None:
            raise GridError("this expression needs a grid; pass grid=fs.Grid(...)")
        return self.layout.grid


def held_sides(layout: Layout, field: str) -> list[Side]:
    """Sides on which the unknowns of `field` are held at the wall's value (Dirichlet, node-centred)."""
    if layout.grid is None:
        return []
    return [
        side
        for side, condition in layout.conditions[field].items()
        if isinstance(condition, Dirichlet) and layout.grid.has_end_nodes(side[0])
    ]


def pointwise_function(node: Node) -> Callable[..., Any]:
    """The function that computes `node` from the values of its operands."""
    match node:
        case Sum():
            return _left_sum
        case Negative():
            return operator.neg
        case Product():
            return lambda *factors: reduce(operator.mul, factors)
        case Quotient():
            return operator.truediv
        case Power():
            return operator.pow
        case Comparison():
            return _COMPARE[node.content[0]]
        case Function():
            return TORCH_FUNCTIONS[node.name]
    raise TypeError(f"no torch lowering is defined for {type(node).__name__} nodes")


def fold_constant(node: Node) -> Any:
    """The value of a node that depends on nothing, in double precision.

    Raises:
        EquationTypeError: it has none that is finite, and real where the node is.
    """
    match node:
        case Number():
            # Integers stay integers for powers, but not beyond what arithmetic holds exactly.
            return node.value if isinstance(node.value, complex) or node.value < 2**53 else float(node.value)
        case Constant():
            return CONSTANTS[node.content[0]]
        case Component():
            return fold_constant(node.operands[0])
    operands = [fold_constant(operand) for operand in node.operands]
    # Python's integers have no bound: ((9**64)**64)**64 would fill the memory.
    operands = [float(value) if isinstance(value, int) and not isinstance(value, bool) else value for value in operands]
    try:
        value = fold(node.name, *operands) if isinstance(node, Function) else pointwise_function(node)(*operands)
    except (ArithmeticError, ValueError):
        value = math.nan
    if not cmath.isfinite(value) or (isinstance(value, complex) and not node.is_complex):
        kind = "complex" if node.is_complex else "real"
        raise EquationTypeError(f"{node} has no finite {kind} value; correct it, or declare it as a parameter")
    return value


def call_pointwise(
    module: Callable[..., torch.Tensor], like: torch.Tensor, *arguments: Any, dimension: int
) -> torch.Tensor:
    """Call a module with components last: ``(*batch, c, *grid) -> (*batch, *grid, c)`` and back."""
    tensors = [_like_state(argument, like) for argument in arguments]
    shape = torch.broadcast_shapes(*[_without_components(t, dimension) for t in tensors])
    columns = []
    for tensor in tensors:
        count = tensor.shape[-1 - dimension] if tensor.dim() > dimension else 1
        lead, grid = shape[: len(shape) - dimension], shape[len(shape) - dimension :]
        columns.append(tensor.expand(*lead, count, *grid).movedim(-1 - dimension, -1))
    return module(torch.cat(columns, dim=-1) if len(columns) > 1 else columns[0]).movedim(-1, -1 - dimension)


def _without_components(tensor: torch.Tensor, dimension: int) -> torch.Size:
    if tensor.dim() <= dimension:
        return tensor.shape
    return tensor.shape[: -1 - dimension] + tensor.shape[tensor.dim() - dimension :]


def _left_sum(*terms: Any) -> Any:
    return reduce(operator.add, terms)


def _signed_sum(signs: tuple[bool, ...], *terms: Any) -> Any:
    total = terms[0] if signs[0] else -terms[0]
    for positive, term in zip(signs[1:], terms[1:], strict=True):
        total = total + term if positive else total - term
    return total


def _like_state(value: Any, like: torch.Tensor) -> torch.Tensor:
    """Cast to the precision and device of the state, keeping real things real and complex things complex."""
    if not isinstance(value, torch.Tensor):  # filled on the device: a copy from the host would wait for it
        return torch.full((), value, device=like.device, dtype=dtype_like(like, is_complex=isinstance(value, complex)))
    return value.to(device=like.device, dtype=dtype_like(like, is_complex=value.is_complex()))


def dtype_like(like: torch.Tensor, *, is_complex: bool) -> torch.dtype:
    """The real or complex dtype of the precision of `like`."""
    if like.is_complex() == is_complex:
        return like.dtype
    return _COMPLEX[like.dtype] if is_complex else like.real.dtype


def _coordinate(like: torch.Tensor, *, on_host: torch.Tensor, positions: Callable[..., torch.Tensor]) -> torch.Tensor:
    if like.device == on_host.device:
        return _like_state(on_host, like)
    # Computed where it is needed: a copy from the host would make every evaluation wait for the device.
    return _like_state(positions(device=like.device).reshape(on_host.shape), like)


def _pick(values: torch.Tensor, *, dim: int, index: int) -> torch.Tensor:
    return values.narrow(dim, index, 1)


def _expand(values: torch.Tensor, *, dim: int, size: int) -> torch.Tensor:
    values = values.reshape((1,) * max(-dim - values.dim(), 0) + values.shape)
    shape = list(values.shape)
    shape[dim] = size
    return values.expand(shape)


def _hold(values: torch.Tensor, wall: Any = 0.0, *, dim: int, end: int) -> torch.Tensor:
    size = values.shape[dim]
    inside = values.narrow(dim, 1 if end == 0 else 0, size - 1)
    edge = torch.zeros_like(values.narrow(dim, 0, 1)) + wall
    return torch.cat([edge, inside] if end == 0 else [inside, edge], dim=dim)


def _with_ghosts(
    values: torch.Tensor,
    *data: Any,
    dim: int,
    rules: tuple[GhostRule, GhostRule],
    has_data: tuple[bool, bool],
    on_node: bool,
) -> torch.Tensor:
    remaining = iter(data)
    low, high = (
        ghost_block(values, dim, end, rules[end], next(remaining) if has_data[end] else None, on_node=on_node)
        for end in (0, 1)
    )
    return torch.cat([low, values, high], dim=dim)


def _diffusion(coefficient: Any, values: torch.Tensor, **options: Any) -> torch.Tensor:
    return diffusion(_like_state(coefficient, values), values, **options)
