"""From the user's arguments to typed right-hand sides: everything `FieldEquation` checks before it computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from fieldsolver.errors import (
    BoundaryError,
    EquationError,
    EquationSyntaxError,
    EquationTypeError,
    GridError,
    ParameterError,
    listing,
    nearest,
)
from fieldsolver.space.boundary import Declaration, Periodic, Side, resolve_boundary, side_name
from fieldsolver.space.grid import Grid
from fieldsolver.space.stencils import check_space_order

from . import build
from .grammar import Scope, parse_expression
from .graph import Comparison, Depends, ModuleCall, Node, ParameterSymbol, walk
from .parameters import Declared, declare
from .statements import Statement, split_statements
from .torch_lowering import Layout
from .vocabulary import WORDS


@dataclass(frozen=True)
class System:
    """A declared system, checked.

    Attributes:
        right_sides: ``d(field)/dt`` per field, in state order.
        parameters: declared parameters by name.
        layout: what the lowering needs.
    """

    right_sides: Mapping[str, Node]
    parameters: Mapping[str, Declared]
    layout: Layout


def declare_system(
    text: str,
    *,
    grid: Grid | None,
    boundary: Declaration,
    parameters: Mapping[str, Any],
    modules: Mapping[str, nn.Module],
    components: Mapping[str, int],
    complex_fields: Sequence[str],
    space_order: int,
) -> System:
    """Parse and type-check a system; raises the errors of `fieldsolver.errors`."""
    statements = split_statements(text)
    names = [statement.name for statement in statements]
    axes = grid.axes if grid is not None else ()
    _check_names(names, parameters, modules, axes)
    sizes = _field_sizes(names, components)
    declared = {name: declare(name, value, grid.shape if grid else ()) for name, value in parameters.items()}
    _check_complex(complex_fields, names)
    symbols: dict[str, Node] = {
        name: build.field(name, sizes[name], is_complex=name in complex_fields) for name in names
    }
    for name, item in declared.items():
        symbols[name] = build.parameter(
            name, item.components, is_complex=item.value.is_complex(), spatial=item.place == "spatial"
        )
    scope = Scope(symbols, {name: _module_builder(name, module) for name, module in modules.items()}, axes)
    right_sides = {s.name: _right_side(s, scope, sizes[s.name], s.name in complex_fields) for s in statements}

    conditions = resolve_boundary(boundary, names, axes)
    wall_scope = Scope({name: symbols[name] for name in declared}, {}, axes)
    wall_values = {
        name: {
            side: _wall_value(name, side, condition, wall_scope, is_complex=name in complex_fields)
            for side, condition in sides.items()
            if not isinstance(condition, Periodic)
        }
        for name, sides in conditions.items()
    }
    starts = {name: sum(sizes[other] for other in names[:position]) for position, name in enumerate(names)}
    layout = Layout(
        fields={name: (starts[name], sizes[name]) for name in names},
        parameters=tuple(declared),
        spatial=frozenset(name for name, item in declared.items() if item.place == "spatial"),
        modules=tuple(modules),
        grid=grid,
        conditions=conditions,
        wall_values=wall_values,
        space_order=check_space_order(space_order),
    )
    _check_centring(layout)
    used_on_walls = [node for sides in wall_values.values() for node in sides.values()]
    _check_all_used(declared, modules, [*right_sides.values(), *used_on_walls])
    return System(right_sides, declared, layout)


def _check_names(
    fields: Sequence[str], parameters: Mapping[str, Any], modules: Mapping[str, Any], axes: Sequence[str]
) -> None:
    seen: dict[str, str] = {}
    for kind, names in (("field", fields), ("parameter", parameters), ("module", modules)):
        for name in names:
            if not isinstance(name, str) or not name.isidentifier() or name.startswith("__"):
                raise EquationSyntaxError(
                    f"a {kind} is called {name!r}, which is not a name; use letters, digits and _"
                )
            if name in seen:
                raise EquationError(
                    f"there are two equations for the field {name!r}; add the right sides into one"
                    if kind == seen[name] == "field"
                    else f"{name!r} is declared as a {seen[name]} and as a {kind}; rename one"
                )
            if name in WORDS - {"e"} or name == "t":
                raise EquationError(f"{name!r} is a word of the equation language and cannot name a {kind}; rename it")
            if name in axes and kind != "field":
                raise EquationError(f"{name!r} is a coordinate of the grid and cannot name a {kind} too; rename it")
            seen[name] = kind


def _field_sizes(names: Sequence[str], components: Mapping[str, int]) -> dict[str, int]:
    for name, count in components.items():
        if name not in names:
            raise EquationError(f"components names {name!r}, but the fields are {listing(names)}{nearest(name, names)}")
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise EquationError(f"components of {name!r} must be a positive integer, got {count!r}")
    return {name: components.get(name, 1) for name in names}


def _check_complex(complex_fields: Sequence[str], names: Sequence[str]) -> None:
    for name in complex_fields:
        if name not in names:
            raise EquationError(
                f"complex_fields names {name!r}, but the fields are {listing(names)}{nearest(name, names)}"
            )


def _right_side(statement: Statement, scope: Scope, size: int, is_complex: bool) -> Node:
    if statement.order != 1:
        raise EquationSyntaxError(
            f"d2{statement.name}/dt2 is not available yet; write the velocity as a field: "
            f"'d{statement.name}/dt = v; dv/dt = ...'",
            statement.text,
        )
    node = parse_expression(statement.text, scope)
    if isinstance(node, Comparison):
        raise EquationTypeError("a right side cannot be a comparison; use where(...)", statement.text, 0)
    if node.components not in (1, size):
        raise EquationTypeError(
            f"d{statement.name}/dt has {node.components} components, but {statement.name} has {size}; "
            f"declare components={{{statement.name!r}: {node.components}}} or change the right side",
            statement.text,
        )
    if node.is_complex and not is_complex:
        raise EquationTypeError(
            f"d{statement.name}/dt is complex; declare complex_fields=({statement.name!r},)", statement.text
        )
    return node


def _wall_value(field: str, side: Side, condition: Any, scope: Scope, *, is_complex: bool) -> Node:
    where = f"the boundary value of {field!r} at {side_name(side, scope.axes)!r}"
    value = condition.value
    try:
        node = parse_expression(value, scope) if isinstance(value, str) else build.number(value)
    except EquationError as error:
        raise BoundaryError(f"{where}: {error}") from None
    if node.components != 1:
        raise BoundaryError(f"{where} must be a scalar, got {node} with {node.components} components")
    if isinstance(node, Comparison):
        raise BoundaryError(f"{where} cannot be a comparison; use where(...)")
    if node.is_complex and not is_complex:
        raise BoundaryError(f"{where} is complex, but the field is real; declare complex_fields=({field!r},)")
    spread = [n.name for n in walk(node) if isinstance(n, ParameterSymbol) and n.depends & Depends.SPACE]
    if spread:
        raise BoundaryError(f"{where} uses the fs.Spatial parameter {spread[0]!r}, which has no values on a wall")
    if not node.pointwise:
        raise BoundaryError(f"{where} cannot contain a differential operator: {node}")
    return node


def _check_centring(layout: Layout) -> None:
    grid = layout.grid
    if grid is None or grid.centring != "node":
        return
    for axis, name in enumerate(grid.axes):
        if layout.is_periodic(axis) == grid.has_end_nodes(axis):
            wanted = tuple(other for i, other in enumerate(grid.axes) if layout.is_periodic(i))
            raise GridError(
                f"axis {name!r} of the node-centred grid and its boundary disagree about periodicity; "
                f"write Grid(..., centring='node', periodic={wanted!r}) or change the boundary"
            )


def _check_all_used(parameters: Mapping[str, Any], modules: Mapping[str, Any], nodes: Sequence[Node]) -> None:
    used = {node.content[0] for node in walk(*nodes) if isinstance(node, (ParameterSymbol, ModuleCall))}
    for name in parameters:
        if name not in used:
            raise ParameterError(f"parameter {name!r} appears in no equation and no boundary; remove it or use it")
    for name in modules:
        if name not in used:
            raise EquationError(f"module {name!r} is called in no equation; remove it or use it")


def _module_builder(name: str, module: nn.Module) -> Callable[..., Node]:
    if not isinstance(module, nn.Module):
        raise EquationTypeError(f"modules[{name!r}] must be an nn.Module, got {type(module).__name__}")

    def call(*arguments: Node) -> Node:
        if not arguments:
            raise EquationTypeError(f"{name} needs at least one argument")
        inputs = sum(argument.components for argument in arguments)
        return build.module_call(name, _output_components(name, module, inputs), *arguments)

    return call


def _output_components(name: str, module: nn.Module, inputs: int) -> int:
    """Run the module once on zeros to learn its number of outputs; batch-mixing modules are refused."""
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            raise EquationTypeError(
                f"module {name!r} contains {type(part).__name__}, which mixes samples of a batch; "
                "use LayerNorm or GroupNorm"
            )
    first = next((p for p in module.parameters()), None)
    dtype = first.dtype if first is not None else torch.get_default_dtype()
    device = first.device if first is not None else None
    try:
        with torch.no_grad():
            output = module(torch.zeros(2, inputs, dtype=dtype, device=device))
    except (RuntimeError, TypeError, ValueError) as error:
        raise EquationTypeError(
            f"module {name!r} was called with components last, shape (2, {inputs}), and failed: {error}"
        ) from None
    if not isinstance(output, torch.Tensor) or output.dim() != 2 or output.shape[0] != 2:
        got = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise EquationTypeError(f"module {name!r} turned shape (2, {inputs}) into {got}; expected (2, components)")
    return output.shape[-1]


__all__ = ["Depends", "System", "declare_system"]
