"""What a manufactured solution may be, and of which equations it can be one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fieldsolver.errors import EquationError, EquationTypeError, listing, nearest

from .. import build
from ..calculus.explicit import Values
from ..calculus.partial_derivative import Partial
from ..declaration import Given, make_scope
from ..field_equation import FieldEquation
from ..grammar import Scope, parse_expression
from ..graph import (
    Comparison,
    Convolution,
    Depends,
    Function,
    ModuleCall,
    Node,
    ParameterSymbol,
    Reduction,
    walk,
)

_KINKED = ("sign", "heaviside", "relu", "min", "max", "where")
_PLACES = {"spatial": "fs.Spatial", "per sample": "fs.PerSample", "signal": "fs.Signal", "matrix": "matrix"}


def refuse_equation(equation: FieldEquation) -> None:
    """Refuse equations whose source no formula gives.

    Raises:
        EquationError: a graph, a mask, noise, modules, convolutions, integrals, or a `Spatial` parameter.
    """
    if equation.layout.metric is not None:
        raise EquationError("a metric is known on grid points only, which gives no source between them; leave it out")
    if equation.layout.mask is not None:
        raise EquationError(
            "a manufactured solution does not fulfil the condition at the border of a mask; manufacture the equation "
            "without mask=, or compare with an exact solution by hand"
        )
    if equation.layout.graph is not None:
        raise EquationError("a graph has no coordinates that an exact solution could be an expression of; use a grid")
    if equation.layout.domains:
        raise EquationError("between grids of different resolution there is no formula for the source; use one grid")
    if equation.noises:
        raise EquationError("an equation with noise has no manufactured solution: its paths are no functions of time")
    for node in walk(*equation.statements.values()):
        match node:
            case ModuleCall(content=(name, *_)):
                raise EquationError(f"the module {name!r} has no formula, so there is no source; leave it out")
            case Convolution() | Reduction():
                raise EquationError(
                    f"{node} runs over the whole domain and has no formula on a manufactured solution; leave it out"
                )
            case ParameterSymbol() if node.depends & Depends.SPACE:
                raise EquationError(
                    f"the fs.Spatial parameter {node.name!r} is known on grid points only, which gives no source "
                    "between them; declare it as an expression of the coordinates"
                )


def complete(equation: FieldEquation) -> Given:
    """The arguments that declare `equation`, sizes and kinds of the fields included however it was declared."""
    return replace(
        equation.given,
        components={name: equation.layout.fields[name][1] for name in equation.statements},
        complex_fields=tuple(name for name in equation.statements if name in equation.complex_fields),
    )


def solution_scope(equation: FieldEquation) -> Scope:
    """The names of a solution: parameters, coordinates and the time, but no fields."""
    scope, declared, definitions = make_scope(list(equation.statements), equation.orders, complete(equation))
    return Scope({name: scope.symbols[name] for name in (*declared, *definitions)}, {}, axes=equation.given.axes)


def parse_solution(
    equation: FieldEquation, solution: Mapping[str, str | Sequence[str]], *, smooth: bool
) -> dict[str, Values]:
    """The expressions of all states, velocities included, in state order.

    Args:
        smooth: refuse functions with kinks and jumps.

    Raises:
        EquationError: a field is missing, unknown, of another size or kind, or its text is no explicit expression.
    """
    if not isinstance(solution, Mapping):
        raise EquationError(f"give the exact solution as a dict of texts, one per field, got {type(solution).__name__}")
    fields = equation.statements
    for name in solution:
        if name not in fields:
            raise EquationError(f"there is no field {name!r}; fields: {listing(fields)}{nearest(name, fields)}")
    missing = [name for name in fields if name not in solution]
    if missing:
        raise EquationError(f"the exact solution lacks the field {missing[0]!r}; give all of {listing(fields)}")
    scope, d_dt = solution_scope(equation), Partial(build.time())
    states: dict[str, Values] = {}
    for name in fields:
        states[name] = _components(equation, name, solution[name], scope, smooth=smooth)
        if equation.orders[name] == 2:
            states[f"d{name}/dt"] = tuple(d_dt(node) for node in states[name])
    return {name: states[name] for name in equation.fields}


def _components(equation: FieldEquation, name: str, given: Any, scope: Scope, *, smooth: bool) -> Values:
    size = equation.layout.fields[name][1]
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, (list, tuple)) or len(texts) != size:
        wanted = "one text" if size == 1 else f"a list of {size} texts, one per component"
        raise EquationError(f"the exact solution of {name!r} must be {wanted}, got {given!r}")
    nodes = tuple(_parsed(name, text, scope) for text in texts)
    for node in nodes:
        _check(equation, name, node, smooth=smooth)
    return nodes


def _parsed(name: str, text: str, scope: Scope) -> Node:
    try:
        return parse_expression(text, scope)
    except EquationError as error:
        raise type(error)(f"in the exact solution of {name!r}: {error}") from None


def _check(equation: FieldEquation, name: str, node: Node, *, smooth: bool) -> None:
    if node.components != 1 or isinstance(node, Comparison):
        raise EquationTypeError(f"the exact solution of {name!r} must be a scalar, got {node}")
    if not node.pointwise or node.depends & Depends.NOISE:
        raise EquationTypeError(f"the exact solution of {name!r} is an explicit formula; {node} is none")
    if node.is_complex and name not in equation.complex_fields:
        raise EquationTypeError(f"the exact solution of {name!r} is complex, but the field is real: {node}")
    for inner in walk(node):
        if isinstance(inner, ParameterSymbol):
            place = equation.declared[inner.name].place
            if place != "global":
                raise EquationTypeError(
                    f"the exact solution of {name!r} uses the {_PLACES[place]} parameter {inner.name!r}; it may use "
                    "numbers, coordinates, t, and parameters that are plain numbers"
                )
        kinked = isinstance(inner, Function) and (
            inner.name in _KINKED or (inner.name == "abs" and not inner.operands[0].is_complex)
        )
        if smooth and kinked:
            raise EquationTypeError(
                f"the exact solution of {name!r} is not smooth at {inner}, where no scheme keeps its order; choose a "
                "smooth one, or pass check=False"
            )
