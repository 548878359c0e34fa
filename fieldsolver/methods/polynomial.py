"""Polynomials with exact rational coefficients, lowest power first; real roots are isolated, never guessed.

Shared by the stability polynomials and the interpolants. A polynomial is a tuple of `Fraction` without trailing zeros.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from math import ceil, gcd, lcm, log2

Polynomial = tuple[Fraction, ...]


def polynomial(coefficients: Iterable[Fraction | int]) -> Polynomial:
    """Drop trailing zeros; the zero polynomial is the empty tuple."""
    kept = [Fraction(value) for value in coefficients]
    while kept and kept[-1] == 0:
        kept.pop()
    return tuple(kept)


def evaluate(p: Polynomial, x: Fraction) -> Fraction:
    """p(x) by Horner's rule."""
    value = Fraction(0)
    for coefficient in reversed(p):
        value = value * x + coefficient
    return value


def add(p: Polynomial, q: Polynomial) -> Polynomial:
    """p + q."""
    length = max(len(p), len(q))
    padded = [(*r, *[Fraction(0)] * (length - len(r))) for r in (p, q)]
    return polynomial(a + b for a, b in zip(*padded, strict=True))


def scale(p: Polynomial, factor: Fraction) -> Polynomial:
    """factor p."""
    return polynomial(factor * value for value in p)


def multiply(p: Polynomial, q: Polynomial) -> Polynomial:
    """p q."""
    product = [Fraction(0)] * max(len(p) + len(q) - 1, 0)
    for i, a in enumerate(p):
        for j, b in enumerate(q):
            product[i + j] += a * b
    return polynomial(product)


def derivative(p: Polynomial) -> Polynomial:
    """p'."""
    return polynomial(k * coefficient for k, coefficient in enumerate(p) if k)


def divide(p: Polynomial, q: Polynomial) -> tuple[Polynomial, Polynomial]:
    """Quotient and remainder of p by q."""
    quotient = [Fraction(0)] * max(len(p) - len(q) + 1, 0)
    remainder = p
    while len(remainder) >= len(q):
        shift = len(remainder) - len(q)
        ratio = remainder[-1] / q[-1]
        quotient[shift] = ratio
        term = multiply((*[Fraction(0)] * shift, -ratio), q)
        remainder = polynomial(add(remainder, term)[: len(remainder) - 1])
    return polynomial(quotient), remainder


def sturm_sequence(p: Polynomial) -> list[Polynomial]:
    """p, p' and their negated remainders; the last one is gcd(p, p') up to a positive factor."""
    sequence = [_primitive(p), _primitive(derivative(p))]
    while sequence[-1]:
        _, remainder = divide(sequence[-2], sequence[-1])
        sequence.append(_primitive(scale(remainder, Fraction(-1))))
    return sequence[:-1]


def isolate_positive_roots(p: Polynomial, width: Fraction) -> list[tuple[Fraction, Fraction]]:
    """Disjoint intervals (low, high], in increasing order, each holding one distinct positive root of p.

    Args:
        p: any polynomial with p(0) != 0.
        width: the intervals are bisected until they are at most this wide.

    Source: Sturm's theorem, e.g. Basu, Pollack, Roy, *Algorithms in Real Algebraic Geometry* (2006), Theorem 2.50.
    """
    if len(p) < 2:
        return []
    common = sturm_sequence(p)[-1]  # gcd(p, p')
    sequence = sturm_sequence(divide(p, common)[0])  # square-free, so every distinct root is simple
    pending, isolated = [(Fraction(0), _root_bound(p))], []
    while pending:
        low, high = pending.pop()
        count = _sign_changes(sequence, low) - _sign_changes(sequence, high)
        if count == 1:
            isolated.append(_bisect(sequence[0], low, high, width))
        elif count:
            middle = (low + high) / 2
            pending += [(middle, high), (low, middle)]  # the left half is popped first: increasing order
    return isolated


def _root_bound(p: Polynomial) -> Fraction:
    """A power of 2 above the modulus of every root: Fujiwara's 2 max_k |a_k / a_n|^(1 / (n - k)), with room to spare.

    Cauchy's bound would be astronomical here: the last coefficients of a stability polynomial are tiny.
    """
    ratios = [(len(p) - 1 - k, abs(value / p[-1])) for k, value in enumerate(p[:-1]) if value != 0]
    exponents = ((log2(ratio.numerator) - log2(ratio.denominator)) / power for power, ratio in ratios)
    return Fraction(2) ** (2 + ceil(max(exponents, default=0.0)))


def _bisect(p: Polynomial, low: Fraction, high: Fraction, width: Fraction) -> tuple[Fraction, Fraction]:
    """Narrow (low, high], which holds one simple root of p."""
    right = evaluate(p, high) or evaluate(derivative(p), high)  # the sign just beyond the root
    while high - low > width:
        middle = (low + high) / 2
        value = evaluate(p, middle)
        if value == 0 or (value > 0) == (right > 0):
            high = middle
        else:
            low = middle
    return low, high


def _sign_changes(sequence: list[Polynomial], x: Fraction) -> int:
    signs = [value > 0 for value in (_scaled_value(p, x) for p in sequence) if value != 0]
    return sum(a != b for a, b in pairwise(signs))


def _scaled_value(p: Polynomial, x: Fraction) -> int:
    """p(x) times a positive number, for integer coefficients; a sign needs no common divisors, which cost the most."""
    value, power = 0, 1
    for coefficient in reversed(p):
        value = value * x.numerator + coefficient.numerator * power
        power *= x.denominator
    return value


def _primitive(p: Polynomial) -> Polynomial:
    """Scale to integers without a common factor, so that the numbers of a Sturm sequence stay short."""
    cleared = [value * lcm(*(value.denominator for value in p)) for value in p]
    return scale(tuple(cleared), Fraction(1, gcd(*(value.numerator for value in cleared)) or 1))
