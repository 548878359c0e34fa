"""Polynomials in the step size r along a ray z = r lambda: exact, with complex coefficients.

A `Ray` is p(r) + i q(r) with rational polynomials p and q; a floating-point lambda is an exact fraction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from fieldsolver.methods.polynomial import Polynomial, add, multiply, polynomial, scale

Terms = Mapping[tuple[int, ...], Fraction]
"""A polynomial in z_1, z_2, ... with real coefficients: exponents -> coefficient."""

Direction = tuple[Fraction, Fraction]
"""lambda: real part, imaginary part."""

MINUS = Fraction(-1)


@dataclass(frozen=True)
class Ray:
    """real(r) + i imaginary(r)."""

    real: Polynomial
    imaginary: Polynomial

    def conjugate(self) -> Ray:
        """The complex conjugate for real r."""
        return Ray(self.real, scale(self.imaginary, MINUS))

    def __add__(self, other: Ray) -> Ray:
        return Ray(add(self.real, other.real), add(self.imaginary, other.imaginary))

    def __sub__(self, other: Ray) -> Ray:
        return Ray(add(self.real, scale(other.real, MINUS)), add(self.imaginary, scale(other.imaginary, MINUS)))

    def __mul__(self, other: Ray) -> Ray:
        real = add(multiply(self.real, other.real), scale(multiply(self.imaginary, other.imaginary), MINUS))
        return Ray(real, add(multiply(self.real, other.imaginary), multiply(self.imaginary, other.real)))

    def __bool__(self) -> bool:
        return bool(self.real or self.imaginary)

    def square(self) -> Polynomial:
        """|.|^2."""
        return add(multiply(self.real, self.real), multiply(self.imaginary, self.imaginary))

    def scaled(self, factor: int) -> Ray:
        """An integer multiple."""
        return Ray(scale(self.real, Fraction(factor)), scale(self.imaginary, Fraction(factor)))


def along(terms: Terms, directions: Sequence[Direction]) -> Ray:
    """The polynomial with z_k = r directions[k]."""
    length = max((sum(exponents) for exponents in terms), default=0) + 1
    real, imaginary = [Fraction(0)] * length, [Fraction(0)] * length
    powers = [_powers(direction, length) for direction in directions]
    for exponents, coefficient in terms.items():
        x, y = Fraction(1), Fraction(0)
        for table, exponent in zip(powers, exponents, strict=True):
            a, b = table[exponent]
            x, y = x * a - y * b, x * b + y * a
        real[sum(exponents)] += coefficient * x
        imaginary[sum(exponents)] += coefficient * y
    return Ray(polynomial(real), polynomial(imaginary))


def _powers(direction: Direction, count: int) -> list[Direction]:
    a, b = direction
    powers = [(Fraction(1), Fraction(0))]
    for _ in range(count - 1):
        x, y = powers[-1]
        powers.append((x * a - y * b, x * b + y * a))
    return powers
