"""Decimal numbers as the fractions that were written, so that formulas can be proved."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from fieldsolver.equations import FieldEquation

LARGEST = 1000
"""Denominators beyond this are not simple."""


def with_fractions(expression: Any) -> Any:
    """The expression with ``0.1`` as 1/10: what was written, not the nearest binary number."""
    import sympy

    return expression.xreplace({number: fraction(float(number)) for number in expression.atoms(sympy.Float)})


def fraction(value: float) -> Any:
    """The shortest decimal that is this number, as a fraction."""
    import sympy

    return sympy.Rational(repr(value))


def near_fraction(value: float) -> Any:
    """The simple fraction that a computed number is to round-off, else its shortest decimal."""
    import sympy

    guess = Fraction(value).limit_denominator(LARGEST)
    if abs(float(guess) - value) <= 1e-11 * max(1.0, abs(value)):
        return sympy.Rational(guess.numerator, guess.denominator)
    return fraction(round(value, 12))


def readable(expression: Any) -> Any:
    """Fractions that nobody would write become decimals again."""
    import sympy

    large = [r for r in expression.atoms(sympy.Rational) if r.q > LARGEST]
    return expression.xreplace({r: sympy.Float(float(r)) for r in large})


def parameter_numbers(equation: FieldEquation, symbols: Iterable[Any]) -> dict[Any, Any]:
    """The values of those real parameters, and entries of parameters, that are among `symbols`."""
    by_name = {symbol.name: symbol for symbol in symbols if symbol.is_Symbol}
    values = {}
    for name, value in equation.parameter_values().items():
        if value.is_complex():
            continue
        for index, entry in enumerate(value.detach().reshape(-1)):
            for key in _keys(name, value, index):
                if key in by_name:
                    values[by_name[key]] = fraction(float(entry))
    return values


def _keys(name: str, value: Any, index: int) -> tuple[str, ...]:
    """What an entry may be called: the parameter itself, its component, or a row and a column."""
    if value.dim() == 0:
        return (name,)
    if value.dim() == 1:
        return (name,) if value.numel() == 1 else (f"{name}_{index}",)
    row, column = divmod(index, value.shape[1])
    return (f"{name}_{row}_{column}",) if value.dim() == 2 else ()
