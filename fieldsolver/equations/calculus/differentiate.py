"""Derivative of a pointwise expression with respect to a symbol, as a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce

from fieldsolver.errors import EquationTypeError
from fieldsolver.space.coordinate_systems import GRAPH

from .. import build
from ..coordinates import METRIC
from ..graph import (
    Comparison,
    Component,
    Convolution,
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
    Reduction,
    SignalSymbol,
    SpatialOperator,
    Stack,
    Sum,
    TimeSymbol,
    Transfer,
    Treatment,
    walk,
)
from ..vocabulary import AXES

ZERO, ONE, TWO = build.number(0), build.number(1), build.number(2)


def _f(name: str, node: Node) -> Node:
    return build.function(name, node)


RULES: dict[str, Callable[[Node], Node]] = {
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
    """``d node / d symbol`` of a pointwise expression; every other symbol is held fixed.

    Raises:
        EquationTypeError: something without a derivative rule (a module, a sampled signal) depends on `symbol`.
    """
    if isinstance(symbol, TimeSymbol) and any(isinstance(n, SignalSymbol) for n in walk(node)):
        raise EquationTypeError(f"{node} contains a sampled signal, which has no derivative in time")
    return variation(node, {symbol: ONE}, dimension=0)


def variation(node: Node, directions: Mapping[Node, Node], dimension: int) -> Node:
    """``d/ds`` of `node` at ``s = 0`` when every symbol ``u`` of `directions` becomes ``u + s v``.

    With fields for symbols and perturbations for directions this is the linearised right-hand side.

    Args:
        node: an expression.
        directions: the symbols that vary, each with its ``v``.
        dimension: number of grid axes, for the operators of the result.

    Raises:
        EquationTypeError: as `differentiate`.
    """
    known: dict[Node, Node] = dict(directions)
    for part in walk(node):
        if part not in known:
            varies = any(known[operand] is not ZERO for operand in part.operands)
            known[part] = _rule(part, known, dimension) if varies else ZERO
    return known[node]


def _rule(node: Node, known: Mapping[Node, Node], dimension: int) -> Node:
    d = known.__getitem__
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
        case Function() if node.name in RULES:
            return _times(RULES[node.name](node.operands[0]), d(node.operands[0]))
        case DefinedSymbol() | Treatment():
            return d(node.operands[0])
        case Component():
            return build.component(d(node.operands[0]), node.content[0])
        case Stack():
            return build.stack(*[d(operand) for operand in node.operands])
        case Reduction():
            return build.reduction(node.content[0], d(node.operands[0]), dimension=dimension)
        case Convolution():
            return build.convolution(node.content[0], d(node.operands[0]), dimension=dimension)
        case Transfer():
            return build.transfer(node.content[0], d(node.operands[0]))
        case SpatialOperator():
            return _operator(node, d, dimension)
        case Comparison():
            return ZERO  # the boundary between the branches of where does not move the value
        case Dot(operands=(a, b)):
            return _total([ZERO if d(a) is ZERO else build.dot(d(a), b), ZERO if d(b) is ZERO else build.dot(a, d(b))])
        case MatrixProduct(operands=(matrix, operand)):
            return build.matrix_product(matrix, d(operand))
    raise EquationTypeError(f"{node} has no derivative rule")


def _operator(node: SpatialOperator, d: Callable[[Node], Node], dimension: int) -> Node:
    def apply(name: str, *arguments: Node) -> Node:
        if any(argument is ZERO for argument in arguments):
            return ZERO
        return build.operator_in(node.coordinates, name, *arguments, dimension=dimension)

    if node.name == "gradient_squared" and node.coordinates in (METRIC, GRAPH):
        (u,) = node.operands  # polarised: 2 g(grad u, grad v) = |grad(u + v)|^2 - |grad u|^2 - |grad v|^2
        both = apply(node.name, build.add(u, d(u)))
        return _total([both, _minus(node), _minus(apply(node.name, d(u)))])
    if node.name == "gradient_squared":
        (u,) = node.operands
        axes = [f"d_d{axis}" for axis in AXES[:dimension]]
        return _total([_times(_times(TWO, apply(name, u)), apply(name, d(u))) for name in axes])
    if len(node.operands) == 1:
        return apply(node.name, d(node.operands[0]))
    coefficient, u = node.operands
    if node.name == "fractional_laplacian":
        if d(coefficient) is not ZERO:
            raise EquationTypeError(f"{node} has no derivative rule for its power")
        return apply(node.name, coefficient, d(u))
    # The others are linear in each of the two.
    return _total([apply(node.name, d(coefficient), u), apply(node.name, coefficient, d(u))])


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
