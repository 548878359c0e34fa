"""Sums and products of polynomials in several variables with rational coefficients, as exponents -> coefficient."""

from __future__ import annotations

from fractions import Fraction

from .ray import Terms


def constant(value: Fraction | int, variables: int = 2) -> Terms:
    """A number."""
    return {(0,) * variables: Fraction(value)} if value else {}


def monomial(position: int, value: Fraction | int = 1, variables: int = 2) -> Terms:
    """value z_position."""
    return {tuple(int(k == position) for k in range(variables)): Fraction(value)} if value else {}


def total(*polynomials: Terms) -> Terms:
    """Their sum."""
    result: dict[tuple[int, ...], Fraction] = {}
    for polynomial in polynomials:
        for exponents, value in polynomial.items():
            result[exponents] = result.get(exponents, Fraction(0)) + value
    return {exponents: value for exponents, value in result.items() if value}


def product(*polynomials: Terms) -> Terms:
    """Their product."""
    first, *others = polynomials
    for other in others:
        result: dict[tuple[int, ...], Fraction] = {}
        for a, x in first.items():
            for b, y in other.items():
                exponents = tuple(i + j for i, j in zip(a, b, strict=True))
                result[exponents] = result.get(exponents, Fraction(0)) + x * y
        first = {exponents: value for exponents, value in result.items() if value}
    return first
