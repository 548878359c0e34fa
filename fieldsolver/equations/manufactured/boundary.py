"""Boundary values of a manufactured solution: its own, under the conditions that the equation was declared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fieldsolver.errors import EquationError
from fieldsolver.space.boundary import (
    Absorbing,
    AntiPeriodic,
    Condition,
    Neumann,
    Periodic,
    Pole,
    Robin,
    Side,
    side_name,
)

from .. import build
from ..calculus.explicit import Explicit, Values
from ..calculus.normal_form import ZERO, minus, product, total
from ..field_equation import FieldEquation
from ..grammar import parse_expression
from ..graph import Node, Symbol, walk
from .input import solution_scope
from .points import vanishes_on_wall

Conditions = dict[str, dict[str, Condition]]
"""A condition per field and side, as `FieldEquation` takes them."""


def exact_boundary(equation: FieldEquation, states: Mapping[str, Values], explicit: Explicit) -> Conditions | None:
    """The conditions of the equation with the values of the solution; None without a grid."""
    grid = equation.layout.grid
    if grid is None:
        return None
    return {
        name: {
            side_name(side, grid.axes): condition
            if isinstance(condition, Periodic)
            else _condition(equation, name, side, condition, states[name], explicit)
            for side, condition in equation.layout.conditions[name].items()
            if not isinstance(condition, Pole)
        }
        for name in equation.statements
    }


def _condition(
    equation: FieldEquation, name: str, side: Side, condition: Any, exact: Values, explicit: Explicit
) -> Condition:
    if isinstance(condition, (Absorbing, AntiPeriodic)):
        raise EquationError(
            f"a manufactured solution has no data for {type(condition).__name__} at "
            f"{side_name(side, equation.given.axes)!r}; use another condition there"
        )
    values = [_wall_value(condition, side, u, explicit) for u in exact]
    values = [ZERO if vanishes_on_wall(equation, node, side) else node for node in values]
    for node in values[1:]:
        if node is not values[0] and not vanishes_on_wall(equation, build.subtract(node, values[0]), side):
            raise EquationError(
                f"the components of {name!r} differ at {side_name(side, equation.given.axes)!r} ({values[0]}, {node}), "
                "but a boundary value is one for all of them; choose components that agree there, or a periodic axis"
            )
    axis, end = side
    position = equation.layout.required_grid().bounds[axis][end]
    wall = build.number(int(position) if position.is_integer() else position)
    (value,) = explicit.at({build.coordinate(equation.given.axes[axis], axis): wall})(values[0])
    return replace(condition, value=0 if value is ZERO else str(value))


def _wall_value(condition: Any, side: Side, u: Node, explicit: Explicit) -> Node:
    axis, end = side
    slope = explicit.derivative(u, axis)
    outward = slope if end else minus(slope)
    match condition:
        case Neumann():
            return outward
        case Robin(a=a, b=b):
            return total([product(build.number(a), u), product(build.number(b), outward)])
    return u


def still_used(equation: FieldEquation, statements: Mapping[str, Node], boundary: Conditions | None) -> dict[str, Any]:
    """Parameters of the new equation; those of the old boundary values alone have gone, and would be refused."""
    values = [getattr(c, "value", None) for sides in (boundary or {}).values() for c in sides.values()]
    texts = [value for value in values if isinstance(value, str)]
    scope = solution_scope(equation)
    nodes = [*statements.values(), *(parse_expression(text, scope) for text in texts)]
    used = {node.name for node in walk(*nodes) if isinstance(node, Symbol)}
    return {name: value for name, value in equation.given.parameters.items() if name in used}
