"""From the user's arguments to typed right-hand sides: everything `FieldEquation` checks before it computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from fieldsolver.errors import (
    EquationError,
    EquationTypeError,
    GridError,
    UnknownNameError,
    listing,
    nearest,
)
from fieldsolver.space.boundary import Declaration, Side, side_name
from fieldsolver.space.convolution import Kernel
from fieldsolver.space.graphs import Graph
from fieldsolver.space.grid import Grid
from fieldsolver.space.schemes import SchemeDeclaration, resolve_schemes

from . import build
from .build import as_node
from .coordinates import as_metric, check_geometry, check_grids, coordinates_of
from .domains import Domains, GridDeclaration, declare_on_grids, distinct_grids, grid_per_field, refuse_transfers
from .events import DeclaredEvent, Event, declare_events, event_names, field_of
from .grammar import Scope, parse_expression
from .graph import (
    Comparison,
    Convolution,
    FieldSymbol,
    ModuleCall,
    Node,
    Noise,
    ParameterSymbol,
    SpatialOperator,
    VelocitySymbol,
    walk,
)
from .graph_domain import check_graph, check_options, weights_symbol
from .lowering.layout import Layout
from .mask_conditions import closed_axes, declare_mask, declare_mask_values, split_boundary
from .modules import Nonlocal, module_builder
from .name_checks import check_all_used, check_complex, check_names, field_sizes
from .noise_terms import split_noise, warn_of_roughness
from .parameters import Declared
from .penalty_checks import check_penalties
from .signals import Signal
from .state import field_name
from .statements import Statement, split_statements
from .wall_values import declare_walls

if TYPE_CHECKING:
    from .field_equation import FieldEquation


@dataclass(frozen=True)
class Given:
    """The user's arguments, as `FieldEquation` takes them; see there."""

    grid: GridDeclaration
    boundary: Declaration
    parameters: Mapping[str, Any]
    modules: Mapping[str, nn.Module]
    kernels: Mapping[str, Kernel]
    components: Mapping[str, int]
    complex_fields: Sequence[str]
    space_order: int | None
    scheme: SchemeDeclaration
    calculus: str | None
    mask: Tensor | None = None
    metric: Any = None
    events: Sequence[Event] = ()

    @property
    def coordinates(self) -> str:
        """The coordinates in which operators are meant."""
        return coordinates_of(distinct_grids(self.grid), self.metric)

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the coordinates."""
        return self.grids[0].axes if self.grids else ()

    @property
    def grids(self) -> tuple[Grid, ...]:
        """The different grids: none, one, or several where fields have grids of their own."""
        return () if self.graph is not None else distinct_grids(self.grid)

    @property
    def graph(self) -> Graph | None:
        """The graph, where the domain is one instead of grids."""
        return self.grid if isinstance(self.grid, Graph) else None

    def for_fields(self, names: Sequence[str]) -> Given:
        """The same, with the grids checked against the names of the fields; equal ones become one."""
        return replace(self, grid=grid_per_field(self.grid, names))

    @property
    def definitions(self) -> dict[str, str]:
        """Parameters given as expressions."""
        return {name: value for name, value in self.parameters.items() if isinstance(value, str)}


@dataclass(frozen=True)
class DeclaredSystem:
    """A declared system, checked.

    Attributes:
        statements: right-hand sides as written, per field (of ``d2u/dt2`` where `orders` is 2).
        orders: order in time per field.
        right_sides: the drift of every state, in state order; a velocity is a state of its own.
        noises: coefficients of every noise, per state.
        parameters: declared parameters by name, those given as expressions excepted.
        definitions: those.
        layout: what the lowering needs.
        events: conditions and resets.
    """

    statements: Mapping[str, Node]
    orders: Mapping[str, int]
    right_sides: Mapping[str, Node]
    noises: Mapping[str, Mapping[Noise, Node]]
    parameters: Mapping[str, Declared]
    definitions: Mapping[str, Node]
    layout: Layout
    events: tuple[DeclaredEvent, ...] = ()


def declare_text(text: str, given: Given) -> tuple[DeclaredSystem, Given]:
    """Parse and type-check a system; raises the errors of `fieldsolver.errors`."""
    statements = split_statements(text)
    names = [statement.name for statement in statements]
    given = given.for_fields(names)
    _check_all_names(names, given)
    orders = {statement.name: statement.order for statement in statements}
    scope, declared, definitions = make_scope(names, orders, given)
    sizes = field_sizes(names, given.components)
    written = {s.name: _right_side(s, scope, sizes[s.name], s.name in given.complex_fields) for s in statements}
    return assemble(written, orders, scope, declared, definitions, given), given


def declare_graphs(rates: Mapping[Any, Node], given: Given) -> tuple[DeclaredSystem, Given]:
    """Check a system given as graphs, ``{field symbol or name: right-hand side}``; a velocity as key means d2u/dt2.

    Components and realness come from the symbols, and are added to what was given.
    """
    if not isinstance(rates, Mapping) or not rates:
        raise EquationTypeError("equations are text such as 'du/dt = -u', or a dict {field symbol: right-hand side}")
    symbols = {key.content[-1]: key for key in rates if isinstance(key, FieldSymbol)}
    written = {key.content[-1] if isinstance(key, FieldSymbol) else key: as_node(node) for key, node in rates.items()}
    orders = {name: 2 if isinstance(symbols.get(name), VelocitySymbol) else 1 for name in written}
    components = {name: symbol.components for name, symbol in symbols.items()} | dict(given.components)
    complex_fields = {*given.complex_fields, *(name for name, symbol in symbols.items() if symbol.is_complex)}
    given = replace(given, components=components, complex_fields=tuple(n for n in written if n in complex_fields))
    given = given.for_fields(list(written))
    _check_all_names(list(written), given)
    scope, declared, definitions = make_scope(list(written), orders, given)
    for name, node in written.items():
        _check_symbols(f"d{name}/dt", node, scope)
        check_right_side(name, node, scope.symbols[name], name in given.complex_fields)
    return assemble(written, orders, scope, declared, definitions, given), given


def _check_symbols(left: str, node: Node, scope: Scope) -> None:
    """Every name of a graph built in Python must mean what is declared."""
    known = {*scope.symbols.values(), *scope.velocities.values()}
    for part in walk(node):
        if isinstance(part, (FieldSymbol, ParameterSymbol)) and part not in known:
            declared = scope.symbols.get(part.name)
            if declared is None:
                raise UnknownNameError(
                    f"{left} uses {part.name!r}, which is not declared; known: {listing(scope.symbols)}"
                    f"{nearest(part.name, scope.symbols)}"
                )
            raise EquationTypeError(
                f"{left} uses {part.name!r} with {part.components} component(s) as a {type(part).__name__}, "
                f"but it is declared with {declared.components} as a {type(declared).__name__}"
            )
        if isinstance(part, SpatialOperator) and part.coordinates != scope.coordinates:
            raise EquationTypeError(
                f"{left} uses {part}, which is meant in {part.coordinates} coordinates; make it with the words of "
                "fs.Symbols(grid), or fs.Symbols(grid, metric=metric) with a metric"
            )
        if isinstance(part, ModuleCall) and part.name not in scope.modules:
            raise UnknownNameError(f"{left} calls the module {part.name!r}, which is not declared in modules=")
        if isinstance(part, Convolution) and part.content[0] not in scope.kernels:
            raise UnknownNameError(f"{left} uses the kernel {part.content[0]!r}, which is not declared in kernels=")


def make_scope(
    names: Sequence[str], orders: Mapping[str, int], given: Given
) -> tuple[Scope, dict[str, Declared], dict[str, Node]]:
    """The names that right-hand sides may use, with the declared parameters and definitions among them."""
    sizes = field_sizes(names, given.components)
    check_complex(given.complex_fields, names)
    shapes = [domain.shape for domain in distinct_grids(given.grid)] or [()]
    declared = {
        name: declare_on_grids(name, value, shapes)
        for name, value in given.parameters.items()
        if not isinstance(value, str)
    }
    parameters: dict[str, Node] = {name: _parameter_symbol(item) for name, item in declared.items()}
    definitions: dict[str, Node] = {}
    for name, text in given.definitions.items():
        known = Scope({**parameters}, {}, axes=given.axes, coordinates=given.coordinates)
        definitions[name] = _definition(name, text, known)
        parameters[name] = build.defined(name, definitions[name])
    fields = {name: build.field(name, sizes[name], is_complex=name in given.complex_fields) for name in names}
    velocities = {
        name: build.velocity(name, sizes[name], is_complex=name in given.complex_fields)
        for name in names
        if orders[name] == 2
    }
    modules = {name: module_builder(name, module, *shapes) for name, module in given.modules.items()}
    scope = Scope(
        {**fields, **parameters},
        modules,
        axes=given.axes,
        velocities=velocities,
        kernels=frozenset(given.kernels),
        coordinates=given.coordinates,
    )
    return scope, declared, definitions


def assemble(
    written: Mapping[str, Node],
    orders: Mapping[str, int],
    scope: Scope,
    declared: Mapping[str, Declared],
    definitions: Mapping[str, Node],
    given: Given,
) -> DeclaredSystem:
    """States, drifts, noises, boundaries and layout of a system whose right-hand sides are known."""
    if given.graph is not None:
        check_graph(given.graph, written.values(), declared)
    states: dict[str, Node] = {}
    sizes: dict[str, int] = {}
    for name, node in written.items():
        symbol = scope.symbols[name]
        if orders[name] == 2:
            velocity = scope.velocities[name]
            states |= {name: velocity, velocity.content[0]: node}
            sizes |= {name: symbol.components, velocity.content[0]: symbol.components}
        else:
            states[name] = node
            sizes[name] = symbol.components
    split = {name: split_noise(node) for name, node in states.items()}
    noises = [noise for _, own in split.values() for noise in own]
    _check_calculus(given.calculus, bool(noises))
    warn_of_roughness(noises, len(given.axes), stacklevel=4)  # the line that declares the equation
    known = {**declared, **dict.fromkeys(definitions)}
    boundary, at_mask = split_boundary(given.boundary, given.mask, list(orders), given.axes)
    poles = given.grids[0].poles if given.grids else frozenset()
    conditions, wall_values = declare_walls(boundary, scope, known, orders, frozenset(given.complex_fields), poles)
    mask_conditions, mask_values = declare_mask_values(
        at_mask, scope, list(known), orders, frozenset(given.complex_fields)
    )
    events = events_of(given.events, scope, orders, given)
    kernel_grids = _check_domains(written, wall_values, orders, declared, given, events)
    starts = {name: sum(list(sizes.values())[:position]) for position, name in enumerate(sizes)}
    schemes = resolve_schemes(given.scheme, given.space_order, given.axes)
    layout = Layout(
        fields={name: (starts[name], sizes[name]) for name in sizes},
        parameters=tuple(declared),
        modules=tuple(given.modules),
        grid=given.grids[0] if len(given.grids) == 1 else None,
        graph=given.graph,
        conditions=conditions,
        wall_values=wall_values,
        schemes=schemes,
        nonlocal_modules=frozenset(name for name, module in given.modules.items() if isinstance(module, Nonlocal)),
        kernels=dict(given.kernels),
        signals={name: value.times for name, value in given.parameters.items() if isinstance(value, Signal)},
        metric=as_metric(given.metric, given.grids),
        mask=declare_mask(given.mask, given.grids, closed_axes(conditions, given.axes), schemes),
        mask_conditions=mask_conditions,
        mask_values=mask_values,
    )
    if isinstance(given.grid, Mapping):
        fields = {velocity.content[0]: name for name, velocity in scope.velocities.items()}
        layout = layout.on_grids({name: given.grid[fields.get(name, name)] for name in sizes}, kernel_grids)
    for domain in layout.domains.values() or [layout]:
        _check_centring(domain)
        check_penalties(domain, {name: split[name][0] for name in domain.conditions})
    check_grids(given.grids)
    check_geometry(layout)
    on_walls = [*mask_values.values(), *(node for sides in wall_values.values() for node in sides.values())]
    check_all_used(
        {"parameter": list(given.parameters), "module": list(given.modules), "kernel": list(given.kernels)},
        [*written.values(), *on_walls, *weights_symbol(given.graph, scope), *(n for e in events for n in e.nodes())],
    )
    return DeclaredSystem(
        statements=dict(written),
        orders=dict(orders),
        right_sides={name: drift for name, (drift, _) in split.items()},
        noises={name: noises for name, (_, noises) in split.items() if noises},
        parameters=dict(declared),
        definitions=dict(definitions),
        layout=layout,
        events=events,
    )


def events_of(
    events: Sequence[Event], scope: Scope, orders: Mapping[str, int], given: Given
) -> tuple[DeclaredEvent, ...]:
    """Events over the fields of a system, checked as far as one grid goes."""
    states: dict[str, Any] = {}
    for name in orders:
        states[name] = scope.symbols[name]
        if orders[name] == 2:
            states[scope.velocities[name].content[0]] = scope.velocities[name]
    declared = declare_events(events, scope, states, on_grid=given.grid is not None)
    for event in declared:
        for left, _, node in event.expressions():
            _check_symbols(left, node, scope)
            if not isinstance(given.grid, Mapping):
                refuse_transfers(left, node)
    return declared


def declare_more_events(events: Sequence[Event], equation: FieldEquation) -> tuple[DeclaredEvent, ...]:
    """Events that are declared after their equation."""
    given, names = equation.given, list(equation.statements)
    event_names(events)  # refuses what is no list of events
    event_names([*(declared.event for declared in equation.events), *events])
    scope, parameters, _ = make_scope(names, equation.orders, given)
    declared = events_of(events, scope, equation.orders, given)
    if isinstance(given.grid, Mapping):
        check_on_grids(Domains(given.grid, parameters), declared, names)
    return declared


def check_on_grids(domains: Domains, events: Sequence[DeclaredEvent], fields: Sequence[str]) -> None:
    """Check that the expressions of events stay on the grid of their field."""
    for event in events:
        for left, state, node in event.expressions():
            domains.check(left, field_of(node, fields) if state is None else field_name(state), node)


def _check_domains(
    written: Mapping[str, Node],
    wall_values: Mapping[str, Mapping[Side, Node]],
    orders: Mapping[str, int],
    declared: Mapping[str, Declared],
    given: Given,
    events: Sequence[DeclaredEvent],
) -> dict[str, Grid]:
    """Check what passes between grids; returns the grid of every kernel where there are several."""
    left = {name: f"d2{name}/dt2" if orders[name] == 2 else f"d{name}/dt" for name in written}
    if not isinstance(given.grid, Mapping):
        for name, node in written.items():
            refuse_transfers(left[name], node)
        return {}
    domains = Domains(given.grid, declared)
    for name, node in written.items():
        domains.check(left[name], name, node)
        for side, value in wall_values[name].items():
            domains.check(f"the boundary value of {name!r} at {side_name(side, given.axes)!r}", name, value)
    check_on_grids(domains, events, list(written))
    return domains.kernels


def _check_all_names(names: Sequence[str], given: Given) -> None:
    if not all(isinstance(grid, Grid) for grid in given.grids):
        raise GridError(f"grid must be fs.Grid(shape, extent=...) or fs.Graph(edges, vertices), got {given.grid!r}")
    if given.graph is not None:
        check_options(given)
    for name, kernel in given.kernels.items():
        if not isinstance(kernel, Kernel):
            got = type(kernel).__name__
            raise EquationTypeError(f"kernels[{name!r}] must be fs.Kernel(function, edge=...), got {got}")
    check_names(
        {
            "field": names,
            "parameter": list(given.parameters),
            "module": list(given.modules),
            "kernel": list(given.kernels),
        },
        given.axes,
    )


def _parameter_symbol(item: Declared) -> Node:
    match item.place:
        case "matrix" | "matrix field":
            rows, columns = item.value.shape[:2]
            spatial = item.place == "matrix field"
            return build.matrix(item.name, rows, columns, is_complex=item.value.is_complex(), spatial=spatial)
        case "signal":
            return build.signal(item.name, item.components)
    return build.parameter(
        item.name, item.components, is_complex=item.value.is_complex(), spatial=item.place == "spatial"
    )


def _definition(name: str, text: str, scope: Scope) -> Node:
    try:
        node = parse_expression(text, scope)
    except EquationError as error:
        raise type(error)(f"in the expression of parameter {name!r}: {error}") from None
    if isinstance(node, Comparison):
        raise EquationTypeError(f"parameter {name!r} cannot be a comparison; use where(...)")
    return as_node(node)


def _right_side(statement: Statement, scope: Scope, size: int, is_complex: bool) -> Node:
    node = parse_expression(statement.text, scope)
    check_right_side(statement.name, node, scope.symbols[statement.name], is_complex, statement.text)
    return node


def check_right_side(name: str, node: Node, symbol: Node, is_complex: bool, text: str | None = None) -> None:
    """Refuse a right-hand side that its field cannot have."""
    as_node(node)  # refuses a bare matrix
    if isinstance(node, Comparison):
        column = None if text is None else 0
        raise EquationTypeError("a right side cannot be a comparison; use where(...)", text, column)
    if node.vector and symbol.components == 1:
        raise EquationTypeError(f"d{name}/dt is a vector, {name} a scalar; take a component or a divergence", text)
    if node.components not in (1, symbol.components):
        raise EquationTypeError(
            f"d{name}/dt has {node.components} components, but {name} has {symbol.components}; "
            f"declare components={{{name!r}: {node.components}}} or change the right side",
            text,
        )
    if node.is_complex and not is_complex:
        raise EquationTypeError(f"d{name}/dt is complex; declare complex_fields=({name!r},)", text)


def _check_calculus(calculus: str | None, noisy: bool) -> None:
    if noisy and calculus not in ("ito", "stratonovich"):
        raise EquationError(f"an equation with noise needs calculus='ito' or 'stratonovich', got {calculus!r}")
    if not noisy and calculus is not None:
        raise EquationError("calculus= was given, but the equation has no noise; remove it")


def _check_centring(layout: Layout) -> None:
    grid = layout.grid
    if grid is None or grid.centring != "node":
        return
    for axis, name in enumerate(grid.axes):
        if layout.is_closed(axis) == grid.has_end_nodes(axis):
            wanted = tuple(other for i, other in enumerate(grid.axes) if layout.is_closed(i))
            raise GridError(
                f"axis {name!r} of the node-centred grid and its boundary disagree about periodicity; "
                f"write Grid(..., centring='node', periodic={wanted!r}) or change the boundary"
            )
