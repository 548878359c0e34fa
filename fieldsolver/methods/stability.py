"""Linear stability of explicit Runge-Kutta methods: R(z) and its real and imaginary intervals, from exact arithmetic.

For y' = lambda y one step is y_new = R(z) y, z = h lambda, R(z) = 1 + sum_k (b^T A^(k-1) 1) z^k. The step does not
grow where E = |R|^2 - 1 <= 0. On an axis E is a real polynomial with E(0) = 0. That zero is divided out exactly
before roots are isolated: near 0 the sign of E is a matter of its leading coefficient, not of a tolerance.

Source: Hairer, Wanner, *Solving Ordinary Differential Equations II* (1996), section IV.2.
"""

from __future__ import annotations

from fractions import Fraction
from math import factorial, sqrt

from .polynomial import Polynomial, add, evaluate, isolate_positive_roots, multiply, polynomial

PUBLISHED_DECIMALS = Fraction(1, 10**10)
"""Coefficients this close to 1/k! are 1/k!: rounded tableaux carry defects of 1e-13, which would flip the sign of E."""

SHORT_DENOMINATOR = 10**40
"""Longer denominators come from products of published decimals; they are rounded to this one, below those digits."""

ROOT_WIDTH = Fraction(1, 2**60)


def stability_polynomial(a: tuple[tuple[Fraction, ...], ...], b: tuple[Fraction, ...], order: int) -> Polynomial:
    """Exact coefficients of R(z); c_k for k <= order is set to 1/k! where published decimals miss it by rounding."""
    powers = [Fraction(1)] * len(b)  # A^(k-1) 1
    coefficients = [Fraction(1)]
    for k in range(1, len(b) + 1):
        c_k = sum((weight * value for weight, value in zip(b, powers, strict=True)), Fraction(0))
        exact = Fraction(1, factorial(k))
        coefficients.append(exact if k <= order and abs(c_k - exact) < PUBLISHED_DECIMALS else _shortened(c_k))
        powers = [sum((x * y for x, y in zip(row, powers, strict=False)), Fraction(0)) for row in a]
    return polynomial(coefficients)


def _shortened(value: Fraction) -> Fraction:
    """Root isolation takes a minute with numbers of a thousand digits, which mean nothing beyond the published ones."""
    if value.denominator <= SHORT_DENOMINATOR:
        return value
    return Fraction(round(value * SHORT_DENOMINATOR), SHORT_DENOMINATOR)


def real_interval(r: Polynomial) -> float:
    """Largest x with |R(-z)| <= 1 for all z in [0, x]."""
    mirrored = polynomial(value if k % 2 == 0 else -value for k, value in enumerate(r))
    growth = add(multiply(mirrored, mirrored), polynomial([-1]))
    return first_growth(growth)


def imaginary_interval(r: Polynomial) -> float:
    """Largest y with |R(iz)| <= 1 for all z in [0, y]."""
    # R(iy) = P(w) + i y Q(w) with w = y^2, hence |R(iy)|^2 - 1 = P^2 + w Q^2 - 1.
    even = polynomial(value if k % 2 == 0 else -value for k, value in enumerate(r[0::2]))
    odd = polynomial(value if k % 2 == 0 else -value for k, value in enumerate(r[1::2]))
    squares = add(multiply(even, even), multiply(polynomial([0, 1]), multiply(odd, odd)))
    return sqrt(first_growth(add(squares, polynomial([-1]))))


def first_growth(growth: Polynomial) -> float:
    """Smallest x >= 0 right of which `growth` (with growth(0) = 0) is positive."""
    while growth and growth[0] == 0:
        growth = growth[1:]  # divide the zero factor out
    if growth and growth[0] > 0:
        return 0.0
    roots = isolate_positive_roots(growth, ROOT_WIDTH)
    ends = [low for low, _ in roots[1:]] + [roots[-1][1] + 1 if roots else Fraction(1)]
    for (low, high), end in zip(roots, ends, strict=True):
        if evaluate(growth, (high + end) / 2) > 0:  # a root of even order only touches zero
            return float((low + high) / 2)
    return float("inf")
