"""The boundary values of every state: expressions in coordinates, time and parameters."""

from __future__ import annotations

from collections.abc import Mapping

from fieldsolver.errors import BoundaryError, EquationError
from fieldsolver.space.boundary import (
    Absorbing,
    Condition,
    Declaration,
    Dirichlet,
    Neumann,
    Robin,
    Side,
    Value,
    is_closed,
    resolve_boundary,
    side_name,
)

from . import build
from .calculus.differentiate import differentiate
from .grammar import Scope, parse_expression
from .graph import Comparison, MatrixSymbol, Node, ParameterSymbol, walk
from .parameters import Declared

Conditions = dict[str, dict[Side, Condition]]
Values = dict[str, dict[Side, Node]]


def declare_walls(
    boundary: Declaration,
    scope: Scope,
    parameters: Mapping[str, Declared | None],
    orders: Mapping[str, int],
    complex_fields: frozenset[str],
    poles: frozenset[Side] = frozenset(),
) -> tuple[Conditions, Values]:
    """Conditions and boundary values of all states; a velocity has those of its field, differentiated in time.

    Args:
        boundary: as the user gave it.
        scope: the names of the system.
        parameters: what boundary values may use besides coordinates and time; None for those that are expressions.
        orders: order in time per field.
        complex_fields: names of the complex fields.
        poles: sides where the domain ends without a wall.
    """
    symbols = {name: scope.symbols[name] for name in parameters}
    wall_scope = Scope(symbols, {}, axes=scope.axes, coordinates=scope.coordinates)
    conditions: Conditions = {}
    values: Values = {}
    for name, sides in resolve_boundary(boundary, list(orders), scope.axes, poles).items():
        conditions[name] = sides
        values[name] = {
            side: _wall_value(name, side, condition, wall_scope, scope, parameters, is_complex=name in complex_fields)
            for side, condition in sides.items()
            if not is_closed(condition)
        }
        if orders[name] == 2:
            velocity = scope.velocities[name].content[0]
            conditions[velocity] = sides
            values[velocity] = {
                side: differentiate(node, build.time())
                for side, node in values[name].items()
                if not isinstance(sides[side], Absorbing)  # how fast the velocity changes there is not known
            }
    return conditions, values


def _wall_value(
    field: str,
    side: Side,
    condition: Condition,
    wall_scope: Scope,
    scope: Scope,
    parameters: Mapping[str, Declared | None],
    *,
    is_complex: bool,
) -> Node:
    where = f"the boundary value of {field!r} at {side_name(side, scope.axes)!r}"
    node = parse_value(where, field, _given(condition), wall_scope, is_complex=is_complex)
    symbols = [n.name for n in walk(node) if isinstance(n, ParameterSymbol)]
    spread = [name for name in symbols if _varies_along(parameters.get(name), side[0], len(scope.axes))]
    if spread:
        raise BoundaryError(
            f"{where} uses the fs.Spatial parameter {spread[0]!r}, which has no values on a wall; give it one point "
            f"along {scope.axes[side[0]]!r}"
        )
    return _slope_of_waves(field, side, node, scope) if isinstance(condition, Absorbing) else node


def parse_value(where: str, field: str, given: Value, scope: Scope, *, is_complex: bool) -> Node:
    """The expression of a boundary value; `where` begins the sentence if it cannot be one."""
    try:
        node = parse_expression(given, scope) if isinstance(given, str) else build.number(given)
    except EquationError as error:
        raise BoundaryError(f"{where}: {error}") from None
    if node.components != 1 or isinstance(node, MatrixSymbol):
        raise BoundaryError(f"{where} must be a scalar, got {node} with {node.components} components")
    if isinstance(node, Comparison):
        raise BoundaryError(f"{where} cannot be a comparison; use where(...)")
    if node.is_complex and not is_complex:
        raise BoundaryError(f"{where} is complex, but the field is real; declare complex_fields=({field!r},)")
    if not node.pointwise:
        raise BoundaryError(f"{where} cannot contain a differential operator: {node}")
    return node


def _given(condition: Condition) -> Value:
    """The number or expression that a condition was given."""
    match condition:
        case Dirichlet(value=value) | Neumann(value=value) | Robin(value=value) | Absorbing(speed=value):
            return value
    raise TypeError(f"{type(condition).__name__} conditions carry no value")


def _varies_along(parameter: Declared | None, axis: int, dimension: int) -> bool:
    return parameter is not None and parameter.place == "spatial" and parameter.value.shape[axis - dimension] > 1


def _slope_of_waves(field: str, side: Side, speed: Node, scope: Scope) -> Node:
    """``du/dn = -(1/c) du/dt``, with the velocity that the state holds."""
    if field not in scope.velocities:
        raise BoundaryError(
            f"Absorbing at {side_name(side, scope.axes)!r} needs a field of second order in time, and {field!r} is of "
            "first; write 'd2u/dt2 = ...', or use fs.Neumann(0)"
        )
    return build.negate(build.divide(scope.velocities[field], speed))
