"""Positive roots of a polynomial with rational coefficients, isolated by Descartes' rule of signs and bisection.

The roots on a ray into the complex plane belong to polynomials whose coefficients have hundreds of digits, because the
direction of the ray is an exact fraction of 53 bits. Descartes' rule needs additions only where a Sturm sequence needs
divisions: a thousandth of the time for degree 30. It ends only for square-free polynomials; whether p is, is decided
modulo a prime, and where the prime says no, Sturm's theorem takes over.

Source: Collins, Akritas, *Polynomial real root isolation using Descartes' rule of signs*, SYMSAC 1976.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import ceil, gcd, lcm, log2

from fieldsolver.methods.polynomial import Polynomial, isolate_positive_roots

PRIME = 2**61 - 1
WIDTH = Fraction(1, 2**60)
"""Relative width to which roots are enclosed."""

Root = tuple[Fraction, Fraction]


def positive_roots(p: Polynomial) -> list[Root]:
    """Disjoint intervals (low, high] in increasing order, each with one distinct positive root of p.

    Args:
        p: any polynomial with p(0) != 0.
    """
    if len(p) < 2:
        return []
    integers = _integers(p)
    bound = _root_bound(integers)
    if not _is_square_free(integers):
        return isolate_positive_roots(p, min(WIDTH, WIDTH * Fraction(2) ** -_root_bound(integers[::-1])))
    unit = _scaled(integers, bound)
    unscale = Fraction(2) ** bound
    return [_refine(integers, low * unscale, high * unscale) for low, high in _isolate(unit)]


def sign_at(p: Polynomial, x: Fraction) -> int:
    """The sign of p(x): -1, 0 or 1."""
    value = _value(_integers(p), x)
    return (value > 0) - (value < 0)


def _integers(p: Polynomial) -> list[int]:
    """A positive multiple with integer coefficients without a common factor."""
    common = lcm(*(value.denominator for value in p))
    cleared = [value.numerator * (common // value.denominator) for value in p]
    factor = gcd(*cleared) or 1
    return [value // factor for value in cleared]


def _root_bound(p: list[int]) -> int:
    """An exponent e such that every root is below 2^e in modulus: Fujiwara's bound, with room to spare."""
    top = p[-1]
    exponents = ((log2(abs(value)) - log2(abs(top))) / (len(p) - 1 - k) for k, value in enumerate(p[:-1]) if value)
    return 2 + ceil(max(exponents, default=0.0))


def _scaled(p: list[int], exponent: int) -> list[int]:
    """A positive multiple of p(2^exponent x)."""
    if exponent >= 0:
        return [value << (exponent * k) for k, value in enumerate(p)]
    degree = len(p) - 1
    return [value << (-exponent * (degree - k)) for k, value in enumerate(p)]


def _isolate(p: list[int]) -> list[Root]:
    """Intervals (low, high] with dyadic ends that isolate the roots of a square-free p in (0, 1]."""
    pending, found = [(p, Fraction(0), Fraction(1))], []
    while pending:
        q, low, width = pending.pop()
        changes = _sign_changes(_shifted(q[::-1]))  # the roots in (0, 1), or more by an even number
        if changes == 1:
            found.append((low, low + width))
        elif changes:
            left = _scaled(q, -1)
            right = _shifted(left)
            if right[0] == 0:
                found.append((low + width / 2, low + width / 2))  # the middle itself is a root
                right = right[1:]
            pending += [(right, low + width / 2, width / 2), (left, low, width / 2)]
    return sorted(found)


def _shifted(p: list[int]) -> list[int]:
    """p(x + 1)."""
    values = list(p)
    for done in range(len(values) - 1):
        for k in range(len(values) - 2, done - 1, -1):
            values[k] += values[k + 1]
    return values


def _refine(p: list[int], low: Fraction, high: Fraction) -> Root:
    """Narrow an interval that holds one simple root."""
    if low == high:
        return low, high
    # the end may be another root; then the derivative tells the sign just before it
    right = _value(p, high) or -_value([k * value for k, value in enumerate(p)][1:], high)
    while high - low > WIDTH * high:
        middle = (low + high) / 2
        value = _value(p, middle)
        if value == 0:
            return middle, middle
        low, high = (low, middle) if (value > 0) == (right > 0) else (middle, high)
    return low, high


def _value(p: list[int], x: Fraction) -> int:
    """p(x) times a positive number."""
    value, power = 0, 1
    for coefficient in reversed(p):
        value = value * x.numerator + coefficient * power
        power *= x.denominator
    return value


def _sign_changes(p: list[int]) -> int:
    signs = [value > 0 for value in p if value]
    return sum(a != b for a, b in pairwise(signs))


def _is_square_free(p: list[int]) -> bool:
    """Whether gcd(p, p') = 1 modulo a prime, which implies it over the rationals. False may be an accident."""
    a = _reduced(p)
    b = _reduced([k * value for k, value in enumerate(p)][1:])
    if len(a) < len(p):
        return False
    while b:
        a, b = b, _remainder(a, b)
    return len(a) == 1


def _reduced(p: list[int]) -> list[int]:
    values = [value % PRIME for value in p]
    while values and values[-1] == 0:
        values.pop()
    return values


def _remainder(a: list[int], b: list[int]) -> list[int]:
    values, inverse = list(a), pow(b[-1], -1, PRIME)
    while len(values) >= len(b):
        ratio = values[-1] * inverse % PRIME
        shift = len(values) - len(b)
        for k, coefficient in enumerate(b):
            values[shift + k] = (values[shift + k] - ratio * coefficient) % PRIME
        values = _reduced(values[:-1])
    return values
