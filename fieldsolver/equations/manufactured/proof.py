"""The residual of a manufactured solution by SymPy's derivatives, in many digits: independent proof of the sources."""

from __future__ import annotations

import random
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from ..graph import Component, CoordinateSymbol, MatrixSymbol, Node, TimeSymbol, walk
from ..views.sympy_view import SympyView
from .manufacture import Manufactured
from .points import parameter_points


def symbolic_residual(made: Manufactured, points: int, digits: int) -> float:
    """See `Manufactured.symbolic_residual`."""
    plain = SympyView.of_equation(made.equation, exact=True)
    known = {name: [plain.of(node) for node in values] for name, values in made.solution.items()}
    view = SympyView.of_equation(made.equation, exact=True, known=known)
    residuals: list[tuple[Any, Any, Any]] = []  # (du/dt, right-hand side, source) per component
    for name, sources in made.forcing.items():
        rates = [u.diff(view.t, made.equation.orders[name]) for u in known[name]]
        right = [f.doit() for f in view.entries(made.original.statements[name])]
        right = right * len(rates) if len(right) == 1 else right
        residuals += zip(rates, right, [plain.of(source) for source in sources], strict=True)
    symbols = plain.symbols | view.symbols
    places = [_place(made, symbols, view, seed) for seed in range(points)]
    return max(_relative(terms, place, digits) for terms in residuals for place in places)


def _relative(terms: tuple[Any, Any, Any], place: Mapping[Any, Any], digits: int) -> float:
    # Each term alone: asked for the digits of their sum, which is zero, SymPy would search for ever more of them.
    rate, f, source = (term.xreplace(place).evalf(digits + 10) for term in terms)
    scale = abs(rate) + abs(f) + abs(source)
    return float(abs((rate - f - source).evalf(digits + 10)) / scale) if scale else 0.0


def _place(made: Manufactured, symbols: Mapping[Any, Node], view: SympyView, seed: int) -> dict[Any, Any]:
    """Exact numbers for every symbol: a random point and time, the parameters as they are."""
    generator, parameters = random.Random(seed), parameter_points(made.equation)
    place = {symbol: _number(made, node, generator, parameters) for symbol, node in symbols.items()}
    for node in walk(*made.original.statements.values()):
        if isinstance(node, MatrixSymbol):
            values = [entry for row in parameters[node.name] for entry in row]
            place |= dict(zip(view.of(node), map(_exact, values), strict=True))
    return place


def _number(made: Manufactured, node: Node, generator: random.Random, parameters: Mapping[str, Any]) -> Any:
    import sympy

    match node:
        case CoordinateSymbol(axis=axis):
            low, high = made.equation.layout.required_grid().bounds[axis]
            inside = Fraction(low + (high - low) * generator.uniform(0.05, 0.95)).limit_denominator(1000)
            return sympy.Rational(inside.numerator, inside.denominator)
        case TimeSymbol():
            return sympy.Rational(round(1000 * (made.t0 + generator.random())), 1000)
        case Component(operands=(symbol,), content=(index,)):
            return _exact(parameters[symbol.content[0]][index])
    return _exact(parameters[node.content[0]])


def _exact(value: Any) -> Any:
    import sympy

    number = value.item()
    if isinstance(number, complex):
        return sympy.Rational(number.real) + sympy.I * sympy.Rational(number.imag)
    return sympy.Rational(number)
