"""Partial derivatives of explicit expressions in time and space, kept short by `normal_form`.

`differentiate` answers another question (with respect to any symbol, as the user wrote it); here the variable is real,
so that conjugates, moduli and parts of complex expressions have derivatives too.
"""

from __future__ import annotations

from fieldsolver.errors import EquationTypeError

from .. import build
from ..graph import (
    Component,
    DefinedSymbol,
    Depends,
    Function,
    MatrixProduct,
    Negative,
    Node,
    Power,
    Product,
    Quotient,
    SignalSymbol,
    Sum,
    Symbol,
    TimeSymbol,
    Treatment,
)
from .differentiate import RULES
from .normal_form import ONE, ZERO, check_length, minus, product, quotient, raised, total, whole


class Partial:
    """Derivatives with respect to a coordinate or the time; every subexpression is differentiated once."""

    def __init__(self, variable: Node) -> None:
        self.variable = variable
        self._kind = Depends.TIME if isinstance(variable, TimeSymbol) else Depends.SPACE
        self._memo: dict[Node, Node] = {}

    def __call__(self, node: Node, times: int = 1) -> Node:
        """The derivative of order `times` of a scalar.

        Raises:
            EquationError: it has none, as a sampled signal has none in time, or it is too long to be written.
        """
        for _ in range(times):
            node = self._of(node)
        return node

    def _of(self, node: Node) -> Node:
        if not node.depends & self._kind:
            return ZERO
        if node not in self._memo:
            self._memo[node] = check_length(self._rule(node))
        return self._memo[node]

    def _rule(self, node: Node) -> Node:
        match node:
            case SignalSymbol():
                raise EquationTypeError(f"the sampled signal {node} has no derivative in time")
            case Symbol() if not isinstance(node, DefinedSymbol):
                return ONE if node is self.variable else ZERO
            case Sum():
                return total(self._of(operand) for operand in node.operands)
            case Negative():
                return minus(self._of(node.operands[0]))
            case Product(operands=factors):
                return total(self._without(factors, place) for place in range(len(factors)))
            case Quotient(operands=(top, bottom)):
                gain = quotient(self._of(top), bottom)
                return total([gain, minus(quotient(product(top, self._of(bottom)), raised(bottom, 2)))])
            case Power(operands=(base, exponent)):
                return self._power(base, exponent)
            case Function():
                return self._function(node)
            case DefinedSymbol() | Treatment():
                return self._of(node.operands[0])
            case Component(operands=(MatrixProduct(operands=(matrix, operand)),), content=(index,)):
                rate = self._of(operand)  # a sum of scalars times constant vectors, by `Explicit`
                return build.component(build.matrix_product(matrix, rate), index) if rate is not ZERO else ZERO
            case Component(operands=(Symbol() as symbol,)):
                return self._of(symbol)
        raise EquationTypeError(f"{node} has no derivative with respect to {self.variable}")

    def _without(self, factors: tuple[Node, ...], place: int) -> Node:
        rate = self._of(factors[place])
        return product(*factors[:place], *factors[place + 1 :], rate) if rate is not ZERO else ZERO

    def _power(self, base: Node, exponent: Node) -> Node:
        inner, outer = self._of(base), self._of(exponent)
        n = whole(exponent)
        if n is not None:
            return product(build.number(n), raised(base, n - 1), inner)
        power = build.power(base, exponent)
        by_base = product(exponent, build.power(base, build.subtract(exponent, 1)), inner)
        by_exponent = product(power, build.function("log", base), outer) if outer is not ZERO else ZERO
        return total([by_base, by_exponent])

    def _function(self, node: Function) -> Node:
        name, arguments = node.name, node.operands
        if name == "where":
            condition, yes, no = arguments
            return build.function("where", condition, self._of(yes), self._of(no))
        if name in ("min", "max"):
            first = build.compare("<" if name == "min" else ">", *arguments)
            return build.function("where", first, *[self._of(argument) for argument in arguments])
        (z,) = arguments
        rate = self._of(z)
        if rate is ZERO:
            return ZERO
        if name in ("conj", "real", "imag"):  # linear over the reals
            return build.function(name, rate)
        if name == "abs" and z.is_complex:
            return quotient(build.function("real", product(build.function("conj", z), rate)), node)
        return product(RULES[name](z), rate)
