"""Graph to torch: one pure, differentiable, batched function per equation.

Arrays are ``(*batch, c, *grid)`` with the component axis always there. Near a wall a stencil needs ghost values. They
are made by evaluating its operand on a grid that carries ghost layers along that axis: a field is extended by its
boundary condition, and whatever is computed from it point by point follows. So ``laplacian(u**2)`` uses the ghosts of
``u``, squared, and no condition for ``u**2`` has to be invented.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

import torch

from fieldsolver.errors import BoundaryError, EquationTypeError
from fieldsolver.space.coupling import prolong, restrict
from fieldsolver.space.grid import Grid
from fieldsolver.space.masked_cells import MaskedCells

from ..calculus.expansion import component_of
from ..coordinates import METRIC
from ..domains import origin
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
    MatrixSymbol,
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
    Transfer,
    Treatment,
)
from ..signals import sample
from . import arrays
from .layout import MASK, Layout, knots
from .operators import Operators
from .place import GRID, Place, refuse_on_wall
from .pointwise import fold_constant, like_state, pointwise_function, signed_sum
from .products import Products
from .tape import Tape, TapeBuilder
from .vertices import Vertices
from .walls import Walls


class Lowering:
    """Compiles expressions of one equation onto a tape.

    The first registers hold the fields, then the parameters, the knots of signals, the kernels, the modules, the time,
    and a state to take dtype and device from.

    Args:
        layout: what is known besides the graph.
        whole: the lowering of a system on several grids, whose tape and registers this one, for one grid, shares.
    """

    def __init__(self, layout: Layout, whole: Lowering | None = None) -> None:
        self.layout = layout
        self._whole = whole or self
        self._parts: dict[int, Lowering] = {}
        times = [knots(name) for name in layout.signals]
        inputs = [*layout.fields, *layout.parameters, *times, *layout.kernels, *layout.modules]
        inputs += [METRIC, "t", "like"] if layout.metric is not None else ["t", "like"]
        inputs += MASK if layout.mask is not None else ()
        self._input = {name: register for register, name in enumerate(inputs)}
        self._tape: TapeBuilder = TapeBuilder(len(inputs)) if whole is None else whole._tape
        self._memo: dict[tuple[Node, Place], int] = {}
        self.walls = Walls(self)
        self._operators = Operators(self) if layout.graph is None else Vertices(self, layout.graph)
        self._products = Products(self)

    def of(self, state: str) -> Lowering:
        """The lowering of expressions on the grid of one state: this one, unless the grids differ."""
        whole = self._whole
        own = whole.layout.of(state)
        if own is whole.layout:
            return self
        if id(own) not in whole._parts:
            whole._parts[id(own)] = Lowering(own, whole)
        return whole._parts[id(own)]

    @property
    def like(self) -> int:
        """Register of a state to take dtype and device from."""
        return self._input["like"]

    @property
    def metric(self) -> int:
        """Register of the `MetricFields` of the equation."""
        return self._input[METRIC]

    def emit(self, function: Callable[..., Any], *sources: int) -> int:
        """Append an instruction and return its register."""
        return self._tape.emit(function, *sources)

    def finish(self, outputs: Sequence[int]) -> Tape:
        """The program computing `outputs`."""
        return self._tape.finish(outputs)

    def compile(self, node: Node, place: Place = GRID) -> int:
        """Return the register that holds `node` at `place`."""
        if not node.depends & Depends.SPACE:
            place = GRID  # what does not vary in space is the same everywhere
        key = (node, place)
        if key not in self._memo:
            self._memo[key] = self._compile(node, place)
        return self._memo[key]

    def _compile(self, node: Node, place: Place) -> int:
        match node:
            case Number() | Constant() | TimeSymbol() | ParameterSymbol() | FieldSymbol() | CoordinateSymbol():
                return self._leaf(node, place)
            case SpatialOperator():
                return self._operators.compile(node, place)
            case Convolution():
                return self._convolution(node, place)
            case Reduction():
                return self._reduction(node, place)
            case Transfer():
                return self._transfer(node, place)
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
        if self._products.dealiases(node, place):
            return self._products.compile(node, place)
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

    def cast(self, node: Node, place: Place) -> int:
        """Register of `node` where it meets a field: functions of time alone come in the precision of the state."""
        register = self.compile(node, place)
        if node.depends & Depends.TIME and not node.depends & (Depends.SPACE | Depends.STATE):
            return self.emit(like_state, register, self.like)
        return register

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
        if isinstance(node, MatrixSymbol):
            return register  # read where its cells are, never beyond
        if node.depends & Depends.SPACE and place.wall is None:
            register = self.settle(register)
        return self.walls.extend_evenly(register, place)

    def _signal(self, node: SignalSymbol) -> int:
        function = partial(sample, dimension=self.layout.dimension)
        return self._tape.emit(function, self._input[node.name], self._input[knots(node.name)], self._input["t"])

    def _field(self, node: FieldSymbol, place: Place) -> int:
        if place.wall is not None:
            return self.walls.trace(node, place)
        if place.at_mask:
            return self.walls.at_mask(node)
        bound = self.walls.bind(node, self._input[node.name])
        return self.walls.extend_field(node, bound, place)

    def _coordinate(self, node: CoordinateSymbol, place: Place) -> int:
        grid = self.layout.required_grid()
        if place.wall is not None and place.wall[0] == node.axis:
            wall = grid.bounds[node.axis][place.wall[1]]
            return self._tape.emit(partial(like_state, wall), self.like)
        width = place.width(node.axis)
        positions = partial(_positions, grid, node.axis, width, wrap=self.layout.is_closed(node.axis))
        shape = (-1,) + (1,) * (grid.dimension - 1 - node.axis)
        function = partial(arrays.coordinate, on_host=positions().reshape(shape), positions=positions)
        register = self._tape.emit(function, self.like)
        return register if place.wall is not None else self.settle(register, place)

    # -- modules and nonlocal terms ------------------------------------------------------------------------------------

    def _module(self, node: ModuleCall, place: Place) -> int:
        if node.name in self.layout.nonlocal_modules:
            refuse_on_wall(node, place)
            if place.ghosts:
                return self.walls.extend_by_parity(node, place)
            call = partial(arrays.call_nonlocal, dimension=self.layout.dimension, grid=self.layout.shape)
        else:
            call = partial(arrays.call_pointwise, dimension=self.layout.dimension)
        sources = [self.compile(operand, place) for operand in node.operands]
        if node.name in self.layout.nonlocal_modules:
            return self.settle(self.emit(call, self._input[node.name], self.like, *self._cut_out(sources)))
        return self._tape.emit(call, self._input[node.name], self._input["like"], *sources)

    def _convolution(self, node: Convolution, place: Place) -> int:
        refuse_on_wall(node, place)
        if place.ghosts:
            return self.walls.extend_by_parity(node, place)
        name, grid = node.content[0], self.layout.required_grid()
        function = partial(arrays.convolve_with, grid=grid, edge=self.layout.kernels[name].edge)
        sources = self._cut_out(self._arguments(node, place))
        return self.settle(self._tape.emit(function, self._input[name], self._input["like"], *sources))

    def _transfer(self, node: Transfer, place: Place) -> int:
        refuse_on_wall(node, place)
        if place.ghosts:
            return self.walls.extend_by_parity(node, place)
        symbol = origin(node)
        if symbol is None:
            raise EquationTypeError(f"{node} names no field to tell which grid it takes from")
        source = self.of(symbol.name)
        ours, theirs = self.layout.required_grid(), source.layout.required_grid()
        periodic = [name for axis, name in enumerate(theirs.axes) if source.layout.is_periodic(axis)]
        if any(source.layout.is_closed(axis) and name not in periodic for axis, name in enumerate(theirs.axes)):
            raise BoundaryError(f"{node} is not defined on anti-periodic axes; use fs.Periodic() or walls")
        if node.content[0] == "restrict":
            between = partial(restrict, fine=theirs, coarse=ours, periodic=periodic)
        else:
            between = partial(prolong, coarse=theirs, fine=ours, periodic=periodic)
        function = partial(arrays.transfer, between, theirs.shape)
        return self._tape.emit(function, self._input["like"], source.compile(node.operands[0]))

    # -- masks ----------------------------------------------------------------------------------------------------

    @cached_property
    def cells(self) -> int:
        """Register of the cells of the mask."""
        return self.emit(partial(MaskedCells, dimension=self.layout.dimension), *[self._input[name] for name in MASK])

    def settle(self, register: int, place: Place = GRID) -> int:
        """`register`, which varies in space, with the values of one cell inside in all cells outside the mask."""
        if self.layout.mask is None:
            return register
        return self.emit(partial(MaskedCells.fill, ghosts=place.ghosts), self.cells, register)

    def _cut_out(self, registers: Sequence[int]) -> list[int]:
        """`registers` with zeros outside the mask, as what acts on whole fields sees them."""
        if self.layout.mask is None:
            return list(registers)
        return [self.emit(arrays.cut_out, self.cells, self.like, register) for register in registers]

    def _reduction(self, node: Reduction, place: Place) -> int:
        refuse_on_wall(node, place)
        return self._operators.reduction(node)


def _positions(grid: Grid, axis: int, width: int, *, wrap: bool, device: torch.device | str = "cpu") -> torch.Tensor:
    """Positions along an axis with ghosts: those beyond walls, or those of the other end where the axis closes."""
    if not wrap or not width:
        return grid.coordinate(axis, below=width, above=width, device=device)
    inside = grid.coordinate(axis, device=device)
    return torch.cat([inside[-width:], inside, inside[:width]])
