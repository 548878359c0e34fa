"""Builders of graph nodes: the only place where types are checked.

Every builder takes nodes or plain numbers, checks components, arity and realness, and returns a node; it raises
`EquationTypeError` with a sentence that names the operands.
"""

from __future__ import annotations

import math
import numbers
from typing import Any

from fieldsolver.errors import EquationTypeError, UnknownNameError, listing, nearest

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
)
from .vocabulary import CONSTANTS, FUNCTIONS, MAX_EXPONENT, OPERATORS


def number(value: Any) -> Node:
    """A literal; a negative one becomes ``-(literal)`` so that printing and parsing agree."""
    if isinstance(value, bool) or not isinstance(value, numbers.Number):
        raise EquationTypeError(f"expected a number or part of an equation, got {value!r}")
    if isinstance(value, numbers.Complex) and not isinstance(value, numbers.Real):
        value = complex(value)
        if value.real:
            return add(number(value.real), number(complex(0, value.imag)))
        _check_finite(value.imag)
        part = Number((), (complex(0, abs(value.imag)),), is_complex=True)
        return negate(part) if math.copysign(1, value.imag) < 0 else part
    value = int(value) if isinstance(value, numbers.Integral) else float(value)  # type: ignore[arg-type]  # Real
    _check_finite(value)
    # -0.0 is negative too: it equals 0.0 in Python and would be taken for it.
    negative = value < 0 or (isinstance(value, float) and math.copysign(1, value) < 0)
    return negate(Number((), (-value,))) if negative else Number((), (value,))


def _check_finite(value: int | float) -> None:
    try:
        finite = math.isfinite(float(value))
    except OverflowError:
        finite = False  # an integer that no float can hold
    if not finite:
        raise EquationTypeError(f"numbers must be finite and below 1e308, got {str(value)[:40]}")


def as_node(value: Any) -> Node:
    """Return `value` if it is a node, else the literal."""
    return value if isinstance(value, Node) else number(value)


def constant(name: str) -> Node:
    """``pi`` or ``e``."""
    if name not in CONSTANTS:
        raise UnknownNameError(f"no constant is called {name!r}; known: {listing(CONSTANTS)}")
    return Constant((), (name,))


def field(name: str, components: int = 1, *, is_complex: bool = False) -> FieldSymbol:
    """A field of the state."""
    return FieldSymbol((), (name,), components=components, is_complex=is_complex, depends=Depends.STATE | Depends.SPACE)


def parameter(name: str, components: int = 1, *, is_complex: bool = False, spatial: bool = False) -> ParameterSymbol:
    """A declared parameter."""
    depends = Depends.PARAMETER | (Depends.SPACE if spatial else Depends.NOTHING)
    return ParameterSymbol((), (name,), components=components, is_complex=is_complex, depends=depends)


def coordinate(name: str, axis: int) -> Node:
    """A coordinate of the grid."""
    return CoordinateSymbol((), (name, axis), depends=Depends.SPACE)


def time() -> Node:
    """The time ``t``."""
    return TimeSymbol((), ("t",), depends=Depends.TIME)


def add(left: Any, right: Any) -> Node:
    """``left + right``; a sum on the left is continued, which is how text is evaluated."""
    left, right = as_node(left), as_node(right)
    terms = left.operands if isinstance(left, Sum) else (left,)
    return Sum((*terms, right), components=_common_components("+", left, right))


def subtract(left: Any, right: Any) -> Node:
    """``left - right``."""
    return add(left, negate(right))


def negate(operand: Any) -> Node:
    """``-operand``."""
    operand = as_node(operand)
    _refuse_comparison("-", operand)
    return Negative((operand,), components=operand.components)


def multiply(left: Any, right: Any) -> Node:
    """``left * right``; a product on the left is continued."""
    left, right = as_node(left), as_node(right)
    factors = left.operands if isinstance(left, Product) else (left,)
    return Product((*factors, right), components=_common_components("*", left, right))


def divide(left: Any, right: Any) -> Node:
    """``left / right``."""
    left, right = as_node(left), as_node(right)
    return Quotient((left, right), components=_common_components("/", left, right))


def power(base: Any, exponent: Any) -> Node:
    """``base ** exponent``; literal integer exponents up to 64."""
    base, exponent = as_node(base), as_node(exponent)
    literal = exponent.operands[0] if isinstance(exponent, Negative) else exponent
    if isinstance(literal, Number) and isinstance(literal.value, int) and literal.value > MAX_EXPONENT:
        raise EquationTypeError(f"integer exponents go up to {MAX_EXPONENT}, got {literal.value}")
    return Power((base, exponent), components=_common_components("**", base, exponent))


def compare(operator: str, left: Any, right: Any) -> Node:
    """``left < right`` and the like, for the first argument of ``where``."""
    left, right = as_node(left), as_node(right)
    if left.is_complex or right.is_complex:
        raise EquationTypeError(f"complex numbers have no order: {left} {operator} {right}")
    return Comparison((left, right), (operator,), components=_common_components(operator, left, right))


def function(name: str, *arguments: Any) -> Node:
    """An elementary function of `vocabulary.FUNCTIONS`."""
    if name not in FUNCTIONS:
        raise UnknownNameError(f"no function is called {name!r}; known: {listing(FUNCTIONS)}{nearest(name, FUNCTIONS)}")
    word = FUNCTIONS[name]
    nodes = tuple(as_node(argument) for argument in arguments)
    _check_arity(name, word.arity, nodes)
    if name == "where":
        if not isinstance(nodes[0], Comparison):
            raise EquationTypeError(f"where needs a comparison first, such as where(u > 0, a, b); got {nodes[0]}")
        _refuse_comparison(name, *nodes[1:])
    else:
        _refuse_comparison(name, *nodes)
    if not word.complex_ok and any(node.is_complex for node in nodes):
        raise EquationTypeError(f"{name} is not defined for the complex argument {nodes[0]}")
    # |z|, Re z and Im z are real whatever z is; everything else inherits.
    is_complex = False if word.real else None
    return Function(nodes, (name,), components=_common_components(name, *nodes), is_complex=is_complex)


def operator(name: str, *arguments: Any, dimension: int) -> Node:
    """A differential operator of `vocabulary.OPERATORS` on a grid of `dimension` axes (0: no grid)."""
    if name not in OPERATORS:
        raise UnknownNameError(f"no operator is called {name!r}; known: {listing(OPERATORS)}{nearest(name, OPERATORS)}")
    word = OPERATORS[name]
    nodes = tuple(as_node(argument) for argument in arguments)
    _check_arity(word.arguments, word.arity, nodes)
    _refuse_comparison(name, *nodes)
    if dimension == 0:
        raise EquationTypeError(f"{name} needs a grid; pass grid=fs.Grid(...) or drop the operator")
    if word.axis is not None and word.axis >= dimension:
        raise EquationTypeError(f"{name} needs an axis {'xyz'[word.axis]!r}, but the grid has {dimension}")
    if not nodes[-1].depends & Depends.SPACE:
        raise EquationTypeError(f"{name} acts on something that varies in space, but {nodes[-1]} does not")
    return SpatialOperator(
        nodes,
        (name,),
        components=_common_components(name, *nodes),
        depends=Depends.SPACE,
        pointwise=False,
    )


def module_call(name: str, components: int, *arguments: Any) -> Node:
    """A declared module with `components` outputs, applied point by point."""
    nodes = tuple(as_node(argument) for argument in arguments)
    _refuse_comparison(name, *nodes)
    return ModuleCall(nodes, (name,), components=components, depends=Depends.PARAMETER)


def component(node: Any, index: Any) -> Node:
    """``node[index]``."""
    node = as_node(node)
    _refuse_comparison("[...]", node)
    if isinstance(index, Number):
        index = index.value
    if isinstance(index, bool) or not isinstance(index, int):
        raise EquationTypeError(f"a component is picked by an integer, got {index!r}")
    if not 0 <= index < node.components:
        raise EquationTypeError(
            f"{node} has {node.components} component(s), numbered from 0, and so no component {index}"
        )
    return Component((node,), (index,))


def _common_components(what: str, *nodes: Node) -> int:
    if what != "where":
        _refuse_comparison(what, *nodes)
    counts = {node.components for node in nodes} - {1}
    if len(counts) > 1:
        described = " and ".join(f"{node} ({node.components})" for node in nodes if node.components > 1)
        raise EquationTypeError(f"{what!r} needs equal numbers of components, got {described}")
    return counts.pop() if counts else 1


def _refuse_comparison(what: str, *nodes: Node) -> None:
    for node in nodes:
        if isinstance(node, Comparison):
            raise EquationTypeError(f"a comparison such as {node} belongs inside where(...), not in {what!r}")


def _check_arity(name: str, arity: int, nodes: tuple[Node, ...]) -> None:
    if len(nodes) != arity:
        raise EquationTypeError(f"{name} takes {arity} argument(s), got {len(nodes)}")
