"""SymPy expressions as graphs: what a computer algebra system found, back in the language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

from fieldsolver.errors import EquationTypeError, listing, nearest

from .. import build
from ..graph import CoordinateSymbol, Node
from ..vocabulary import AXES
from .sympy_functions import RENAMED, SAME_NAME

_FUNCTIONS = {name: name for name in SAME_NAME} | {theirs: ours for ours, theirs in RENAMED.items()}
_MAX_DERIVATIVE = 4


def from_sympy(expression: Any, symbols: Mapping[Any, Node]) -> Node:
    """The graph of an elementary SymPy expression.

    Args:
        expression: sums, products, powers, numbers, ``pi``, ``E``, ``I``, the functions of the language,
            `Piecewise` with one condition, and derivatives along coordinates.
        symbols: the node of every symbol, by name or by the symbol itself; `SympyView.symbols` is such a table, and
            names fields and velocities too.

    Raises:
        EquationTypeError: something has no counterpart in the language, or a symbol is unknown.
    """
    return _Reader(symbols).read(expression)


class _Reader:
    def __init__(self, symbols: Mapping[Any, Node]) -> None:
        import sympy

        self._sympy = sympy
        self._symbols = dict(symbols)
        self._memo: dict[Any, Node] = {}

    def read(self, expression: Any) -> Node:
        if not isinstance(expression, self._sympy.Basic):
            return build.number(expression)  # refuses text: nothing is ever parsed by SymPy
        if expression not in self._memo:
            self._memo[expression] = self._read(expression)
        return self._memo[expression]

    def _read(self, e: Any) -> Node:
        sp = self._sympy
        if e in self._symbols:
            return self._symbols[e]
        if isinstance(e, sp.Symbol):
            return self._named(e.name)
        if isinstance(e, sp.Number) or e is sp.zoo:
            return self._number(e)
        constants = {sp.pi: build.constant("pi"), sp.E: build.constant("e"), sp.I: build.number(1j)}
        if e in constants:
            return constants[e]
        readers: dict[type, Callable[[Any], Node]] = {
            sp.Add: self._sum,
            sp.Mul: self._product,
            sp.Pow: self._power,
            sp.Piecewise: self._where,
            sp.Derivative: self._derivative,
            sp.core.function.AppliedUndef: self._undefined,
        }
        for kind, reader in readers.items():
            if isinstance(e, kind):
                return reader(e)
        return self._function(e)

    def _named(self, name: str) -> Node:
        if name in self._symbols:
            return self._symbols[name]
        known = [str(key) for key in self._symbols]
        raise EquationTypeError(f"the symbol {name!r} is unknown; known: {listing(known)}{nearest(name, known)}")

    def _number(self, e: Any) -> Node:
        if not e.is_finite:
            raise EquationTypeError(f"{e} is not a finite number and has no place in an equation")
        if e.is_Integer:
            return build.number(int(e))
        if e.is_Rational:
            return build.divide(build.number(int(e.p)), build.number(int(e.q)))
        return build.number(float(e))

    def _sum(self, e: Any) -> Node:
        first, *rest = e.as_ordered_terms()
        total = self.read(first)
        for term in rest:
            # a + (-2)*b reads a - 2*b.
            negative = term.could_extract_minus_sign()
            total = build.subtract(total, self.read(-term)) if negative else build.add(total, self.read(term))
        return total

    def _product(self, e: Any) -> Node:
        if e.could_extract_minus_sign():
            return build.negate(self.read(-e))
        above, below = [], []
        for factor in e.as_ordered_factors():
            base, exponent = factor.as_base_exp() if isinstance(factor, self._sympy.Pow) else (factor, None)
            if factor.is_Rational and not factor.is_Integer:
                above += [] if factor.p == 1 else [build.number(int(factor.p))]
                below.append(build.number(int(factor.q)))
            elif exponent is not None and exponent.is_Rational and exponent < 0:
                below.append(self.read(base**-exponent))
            else:
                above.append(self.read(factor))
        top = reduce(build.multiply, above) if above else build.number(1)
        return build.divide(top, reduce(build.multiply, below)) if below else top

    def _power(self, e: Any) -> Node:
        base, exponent = e.args
        if base is self._sympy.E:
            return build.function("exp", self.read(exponent))
        if exponent == self._sympy.Rational(1, 2):
            return build.function("sqrt", self.read(base))
        if exponent.is_Rational and exponent < 0:
            return build.divide(1, self.read(base**-exponent))
        return build.power(self.read(base), self.read(exponent))

    def _where(self, e: Any) -> Node:
        conditional = len(e.args) == 2 and e.args[1].cond == self._sympy.true
        condition = e.args[0].cond
        if not conditional or getattr(condition, "rel_op", "") not in ("<", "<=", ">", ">="):
            raise EquationTypeError(f"only Piecewise((a, left < right), (b, True)) can become where(...), got {e}")
        compared = build.compare(condition.rel_op, self.read(condition.lhs), self.read(condition.rhs))
        return build.function("where", compared, self.read(e.args[0].expr), self.read(e.args[1].expr))

    def _derivative(self, e: Any) -> Node:
        inner, counts = e.expr, list(e.variable_count)
        for variable, _ in counts:
            if self._sympy.Derivative(inner, variable) in self._symbols:  # a velocity, which SymPy merges with the rest
                inner = self._sympy.Derivative(inner, variable)
                counts = [(v, n - (v == variable)) for v, n in counts]
                break
        node = self.read(inner)
        for variable, order in counts:
            along = self._symbols.get(variable, self._symbols.get(str(variable)))
            if order == 0:
                continue
            if not isinstance(along, CoordinateSymbol) or not order.is_Integer:
                raise EquationTypeError(f"{e} is no derivative along a coordinate of the grid")
            dimension = len({s for s in self._symbols.values() if isinstance(s, CoordinateSymbol)} | {along})
            node = _differentiated(node, along.axis, int(order), max(dimension, along.axis + 1))
        return node

    def _undefined(self, e: Any) -> Node:
        raise EquationTypeError(f"the function {e} is unknown; symbols= may say which field or parameter it is")

    def _function(self, e: Any) -> Node:
        name = type(e).__name__
        if name not in _FUNCTIONS:
            raise EquationTypeError(f"{e} has no counterpart in the equation language; rewrite {name} in its functions")
        arguments = list(e.args)
        if name == "Heaviside":
            if len(arguments) == 2 and arguments[1] != self._sympy.Rational(1, 2):
                raise EquationTypeError(f"heaviside(0) is 1/2 in the equation language, but {e} says {arguments[1]}")
            arguments = arguments[:1]
        nodes = [self.read(argument) for argument in arguments]
        if name in ("Min", "Max"):
            return reduce(lambda a, b: build.function(_FUNCTIONS[name], a, b), nodes)
        return build.function(_FUNCTIONS[name], *nodes)


def _differentiated(node: Node, axis: int, order: int, dimension: int) -> Node:
    """``order`` derivatives along one axis, at most four at a time."""
    while order:
        step = min(order, _MAX_DERIVATIVE)
        word = f"d_d{AXES[axis]}" if step == 1 else f"d{step}_d{AXES[axis]}{step}"
        node, order = build.operator(word, node, dimension=dimension), order - step
    return node
