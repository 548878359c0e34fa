"""Sums and products with like terms merged and whole numbers folded, exactly.

Derived expressions (sources of manufactured solutions) would otherwise grow with every derivative. Nothing is
expanded, and decimal literals are left alone unless they are short binary fractions, so no digit is lost. Nodes are
hash-consed, which makes equal factors the same object.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import reduce
from weakref import WeakKeyDictionary

from fieldsolver.errors import EquationError

from .. import build
from ..graph import Negative, Node, Number, Power, Product, Quotient, Sum
from ..vocabulary import MAX_NODES

ZERO, ONE = build.number(0), build.number(1)
_I = build.number(1j)
_MAX_DENOMINATOR = 1024
_MAX_BITS = 900  # a number must stay below 1e308
_LENGTHS: WeakKeyDictionary[Node, int] = WeakKeyDictionary()

Factors = dict[Node, int]
"""Bases and their exponents."""


def total(terms: Iterable[Node]) -> Node:
    """The sum of scalars."""
    merged: dict[frozenset[tuple[Node, int]], tuple[Fraction, Factors]] = {}
    for coefficient, factors in _terms(terms):
        key = frozenset(factors.items())
        merged[key] = (merged[key][0] + coefficient if key in merged else coefficient, factors)
    kept = [_assemble(abs(c), factors, negative=c < 0) for c, factors in merged.values() if c]
    return reduce(build.add, kept) if kept else ZERO


def product(*factors: Node) -> Node:
    """The product of scalars."""
    coefficient, merged = Fraction(1), Factors()
    for node in factors:
        own, bases = _monomial(node)
        coefficient *= own
        _gather(merged, bases, 1)
    return _signed(*_without_units(coefficient, merged))


def minus(node: Node) -> Node:
    """``-node``."""
    return product(build.number(-1), node)


def quotient(top: Node, bottom: Node) -> Node:
    """``top/bottom``."""
    coefficient, factors = _monomial(bottom)
    if not coefficient:
        return build.divide(top, bottom)  # refused where it is evaluated, with the reason
    own, merged = _monomial(top)
    merged = dict(merged)
    _gather(merged, factors, -1)
    return _signed(*_without_units(own / coefficient, merged))


def raised(base: Node, exponent: int) -> Node:
    """``base**exponent`` for a whole exponent."""
    coefficient, factors = _monomial(base)
    if not coefficient and exponent < 0:
        return build.power(base, build.number(exponent))
    powers = {node: power * exponent for node, power in factors.items()} if exponent else {}
    return _signed(*_without_units(coefficient**exponent, powers))


def whole(node: Node) -> int | None:
    """The value of a literal whole number, else None."""
    coefficient, factors = _monomial(node)
    return int(coefficient) if not factors and coefficient.denominator == 1 else None


def check_length(node: Node) -> Node:
    """Return `node`, or refuse one that could not be written as text.

    Raises:
        EquationError: written out, with nothing shared, it has more parts than the language allows.
    """
    if _length(node) > MAX_NODES:
        raise EquationError(
            f"the derivatives of this exact solution have {_length(node)} parts, and an equation may have {MAX_NODES}; "
            "choose a simpler one"
        )
    return node


def _length(node: Node) -> int:
    if node not in _LENGTHS:
        _LENGTHS[node] = 1 + sum(_length(operand) for operand in node.operands)
    return _LENGTHS[node]


def _terms(nodes: Iterable[Node]) -> Iterable[tuple[Fraction, Factors]]:
    for node in nodes:
        coefficient, factors = _without_units(*_monomial(node))
        (base, exponent), *others = factors.items() or [(ONE, 0)]
        if isinstance(base, Sum) and exponent == 1 and not others:
            for own, inner in _terms(base.operands):
                yield coefficient * own, inner
        else:
            yield coefficient, factors


def _monomial(node: Node) -> tuple[Fraction, Factors]:
    match node:
        case Number(value=value):
            return _literal(node, value)
        case Negative():
            coefficient, factors = _monomial(node.operands[0])
            return -coefficient, factors
        case Product():
            coefficient, merged = Fraction(1), Factors()
            for operand in node.operands:
                own, factors = _monomial(operand)
                coefficient *= own
                _gather(merged, factors, 1)
            return coefficient, merged
        case Quotient(operands=(top, bottom)):
            below, divisors = _monomial(bottom)
            if below:
                above, merged = _monomial(top)
                merged = dict(merged)
                _gather(merged, divisors, -1)
                return above / below, merged
        case Power(operands=(base, exponent)) if isinstance(exponent, (Number, Negative)):
            n = whole(exponent)
            own, factors = _monomial(base)
            bits = max(own.numerator.bit_length(), own.denominator.bit_length())
            if n is not None and (own or n >= 0) and abs(n) * bits < _MAX_BITS:
                return own**n, {inner: power * n for inner, power in factors.items()} if n else {}
    return Fraction(1), {node: 1}


def _literal(node: Node, value: int | float | complex) -> tuple[Fraction, Factors]:
    size = value.imag if isinstance(value, complex) else value
    exact = Fraction(size)
    if exact.denominator > _MAX_DENOMINATOR or exact.numerator > 2**53:
        return Fraction(1), {node: 1}
    return exact, {_I: 1} if isinstance(value, complex) else {}


def _gather(merged: Factors, factors: Factors, sign: int) -> None:
    for base, exponent in factors.items():
        merged[base] = merged.get(base, 0) + sign * exponent


def _without_units(coefficient: Fraction, factors: Factors) -> tuple[Fraction, Factors]:
    """Cancelled factors dropped, and ``1j**2`` turned into -1."""
    kept = {base: exponent for base, exponent in factors.items() if exponent and base is not _I}
    turns = factors.get(_I, 0) % 4
    if turns in (1, 3):
        kept[_I] = 1
    return (-coefficient if turns in (2, 3) else coefficient), kept


def _signed(coefficient: Fraction, factors: Factors) -> Node:
    return _assemble(abs(coefficient), factors, negative=coefficient < 0) if coefficient else ZERO


def _assemble(coefficient: Fraction, factors: Factors, *, negative: bool) -> Node:
    above = [_power(base, exponent) for base, exponent in factors.items() if exponent > 0]
    below = [_power(base, -exponent) for base, exponent in factors.items() if exponent < 0]
    if coefficient.numerator != 1 or not above:
        above.insert(0, build.number(coefficient.numerator))
    if coefficient.denominator != 1:
        below.insert(0, build.number(coefficient.denominator))
    node = reduce(build.multiply, above)
    node = build.divide(node, reduce(build.multiply, below)) if below else node
    return build.negate(node) if negative else node


def _power(base: Node, exponent: int) -> Node:
    return base if exponent == 1 else build.power(base, build.number(exponent))
