"""Derivative of a pointwise expression with respect to a symbol, as a graph."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

from fieldsolver.errors import EquationTypeError

from . import build
from .graph import (
    Component,
    DefinedSymbol,
    Dot,
    Function,
    MatrixProduct,
    Negative,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    SignalSymbol,
    Sum,
    Symbol,
    TimeSymbol,
    Treatment,
    walk,
)

ZERO, ONE, TWO = build.number(0), build.number(1), build.number(2)


def _f(name: str, node: Node) -> Node:
    return build.function(name, node)


_RULES: dict[str, Callable[[Node], Node]] = {
    "sin": lambda u: _f("cos", u),
    "cos": lambda u: build.negate(_f("sin", u)),
    "tan": lambda u: 1 + _f("tan", u) ** 2,
    "asin": lambda u: 1 / _f("sqrt", 1 - u**2),
    "acos": lambda u: build.negate(1 / _f("sqrt", 1 - u**2)),
    "atan": lambda u: 1 / (1 + u**2),
    "sinh": lambda u: _f("cosh", u),
    "cosh": lambda u: _f("sinh", u),
    "tanh": lambda u: 1 - _f("tanh", u) ** 2,
    "exp": lambda u: _f("exp", u),
    "log": lambda u: 1 / u,
    "sqrt": lambda u: 1 / (2 * _f("sqrt", u)),
    "sigmoid": lambda u: _f("sigmoid", u) * (1 - _f("sigmoid", u)),
    "softplus": lambda u: _f("sigmoid", u),
    "relu": lambda u: _f("heaviside", u),
    "erf": lambda u: 2 / _f("sqrt", build.constant("pi")) * _f("exp", build.negate(u**2)),
    "abs": lambda u: _f("sign", u),
    "sign": lambda u: ZERO,
    "heaviside": lambda u: ZERO,
}
"""Derivatives of the elementary functions; those of steps are zero wherever they exist."""


def differentiate(node: Node, symbol: Node) -> Node:
    """``d node / d symbol``; every other symbol is held fixed.

    Raises:
        EquationTypeError: a function without a derivative rule (complex parts, modules, operators) depends on `symbol`.
    """
    if isinstance(symbol, TimeSymbol) and any(isinstance(n, SignalSymbol) for n in walk(node)):
        raise EquationTypeError(f"{node} contains a sampled signal, which has no derivative in time")
    active = {n for n in walk(node) if n is symbol}
    for candidate in walk(node):
        if any(operand in active for operand in candidate.operands):
            active.add(candidate)
    return _derivative(node, symbol, active)


def _derivative(node: Node, symbol: Node, active: set[Node]) -> Node:
    if node not in active:
        return ZERO
    if node is symbol:
        return ONE

    def d(operand: Node) -> Node:
        return _derivative(operand, symbol, active)

    match node:
        case Sum():
            return _total([d(operand) for operand in node.operands])
        case Negative():
            return _minus(d(node.operands[0]))
        case Product():
            return _total([_scaled_product(node, position, d(f)) for position, f in enumerate(node.operands)])
        case Quotient(operands=(top, bottom)):
            return _total([_ratio(d(top), bottom), _minus(_times(_ratio(top, bottom**2), d(bottom)))])
        case Power(operands=(base, exponent)):
            return _power(base, exponent, d)
        case Function(name="where", operands=(condition, yes, no)):
            return build.function("where", condition, d(yes), d(no))
        case Function(name="min" | "max" as name, operands=(a, b)):
            first = build.compare("<" if name == "min" else ">", a, b)
            return build.function("where", first, d(a), d(b))
        case Function() if node.name in _RULES:
            return _times(_RULES[node.name](node.operands[0]), d(node.operands[0]))
        case DefinedSymbol() | Treatment():
            return d(node.operands[0])
        case Component() if not isinstance(node.operands[0], Symbol):
            return build.component(d(node.operands[0]), node.content[0])
        case Dot(operands=(a, b)):
            return _total([build.dot(d(a), b), build.dot(a, d(b))])
        case MatrixProduct(operands=(matrix, operand)):
            return build.matrix_product(matrix, d(operand))
    raise EquationTypeError(f"{node} has no derivative rule with respect to {symbol}")


def _power(base: Node, exponent: Node, d: Callable[[Node], Node]) -> Node:
    inner, outer = d(base), d(exponent)
    terms = []
    if inner is not ZERO:
        if isinstance(exponent, Number) and exponent.value == TWO.content[0]:
            lowered: Node = base
        elif isinstance(exponent, Number):
            lowered = build.power(base, build.number(exponent.value - 1))
        else:
            lowered = build.power(base, build.subtract(exponent, 1))
        terms.append(_times(_times(exponent, lowered), inner))
    if outer is not ZERO:
        terms.append(_times(_times(build.power(base, exponent), _f("log", base)), outer))
    return _total(terms)


def _scaled_product(node: Node, position: int, rate: Node) -> Node:
    if rate is ZERO:
        return ZERO
    factors = [f for other, f in enumerate(node.operands) if other != position]
    return reduce(_times, [*factors, rate])


def _total(terms: list[Node]) -> Node:
    kept = [term for term in terms if term is not ZERO]
    return reduce(build.add, kept) if kept else ZERO


def _times(left: Node, right: Node) -> Node:
    if left is ZERO or right is ZERO:
        return ZERO
    if left is ONE:
        return right
    return left if right is ONE else build.multiply(left, right)


def _ratio(top: Node, bottom: Node) -> Node:
    return ZERO if top is ZERO else build.divide(top, bottom)


def _minus(node: Node) -> Node:
    return ZERO if node is ZERO else build.negate(node)
