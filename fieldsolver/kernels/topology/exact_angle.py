"""The angle of a pair of segments that nearly touch: orientation and contact exactly, the rest to enough digits.

The coordinates are binary fractions, so Delta = alpha . (gamma x beta), six times the volume of the tetrahedron abcd,
is a rational number: its sign is exact, and so is the answer whether segments in one plane meet. Such pairs are rare;
what Python needs for one of them does not count.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from .curves import Points

if TYPE_CHECKING:
    from mpmath import mpf

DIGITS = 40
"""Decimal digits after the first one of Delta / (|alpha||beta||gamma|): the angle does not feel what D loses."""

Vector = tuple[Fraction, Fraction, Fraction]


@dataclass(frozen=True)
class ExactAngle:
    """What `exact_angle` returns.

    Attributes:
        angle: atan2(Delta, D_1) + atan2(Delta, D_2), rounded once.
        touching: the segments have a point in common; the angle is then 0, the mean of both sides.
    """

    angle: float
    touching: bool


def exact_angle(a: Points, b: Points, c: Points, d: Points) -> ExactAngle:
    """The angle of segments ab and cd, each point ``(3,)``; see `gauss_loops`."""
    alpha, beta, gamma, delta = (_difference(*pair) for pair in ((a, c), (b, c), (b, d), (a, d)))
    orientation = _dot(alpha, _cross(gamma, beta))
    if orientation == 0:
        return ExactAngle(0.0, touching=_meet_in_a_plane(alpha, beta, delta))
    import mpmath

    with mpmath.workdps(_digits(orientation, alpha, beta, gamma, delta)):
        first, second = _denominator(alpha, beta, gamma), _denominator(alpha, gamma, delta)
        triple = mpmath.mpf(orientation.numerator) / orientation.denominator
        sizes = _size(alpha, beta, gamma), _size(alpha, gamma, delta)
        angles = [mpmath.atan2(triple / size, share) for size, share in zip(sizes, (first, second), strict=True)]
        return ExactAngle(float(angles[0] + angles[1]), touching=False)


def _meet_in_a_plane(alpha: Vector, beta: Vector, delta: Vector) -> bool:
    """Whether segments ab and cd, which lie in one plane, have a point in common.

    a + s u = c + t v has the solution s = (v x alpha) . n / n.n, t = (u x alpha) . n / n.n, n = u x v, for
    u = beta - alpha, v = alpha - delta. On one line, the places of c and d are compared with those of a and b.
    """
    u, v = _minus(beta, alpha), _minus(alpha, delta)
    normal = _cross(u, v)
    square = _dot(normal, normal)
    if square:
        return all(0 <= _dot(_cross(w, alpha), normal) <= square for w in (v, u))
    if any(_cross(u, alpha)):
        return False
    places = -_dot(alpha, u), -_dot(delta, u)  # of c and d along u, a lies at 0
    return max(places) >= 0 and min(places) <= _dot(u, u)


def _digits(orientation: Fraction, *vectors: Vector) -> int:
    """Working digits: rounding of D then stays far below Delta where both are small."""
    largest = max(abs(entry) for vector in vectors for entry in vector)
    ratio = abs(orientation) / largest**3
    return DIGITS + max(0, math.ceil((ratio.denominator.bit_length() - ratio.numerator.bit_length()) * math.log10(2)))


def _denominator(a: Vector, b: Vector, c: Vector) -> mpf:
    """D / (|a||b||c|) = 1 + cos(ab) + cos(ac) + cos(bc)."""
    import mpmath

    lengths = [_length(vector) for vector in (a, b, c)]
    total = mpmath.mpf(1)
    for (u, x), (v, y) in (((a, 0), (b, 1)), ((a, 0), (c, 2)), ((b, 1), (c, 2))):
        product = _dot(u, v)
        total += mpmath.mpf(product.numerator) / product.denominator / (lengths[x] * lengths[y])
    return total


def _size(a: Vector, b: Vector, c: Vector) -> mpf:
    return _length(a) * _length(b) * _length(c)


def _length(vector: Vector) -> mpf:
    import mpmath

    square = _dot(vector, vector)
    return mpmath.sqrt(mpmath.mpf(square.numerator) / square.denominator)


def _difference(p: Points, q: Points) -> Vector:
    x, y, z = (Fraction(float(u)) - Fraction(float(v)) for u, v in zip(p, q, strict=True))
    return x, y, z


def _minus(u: Vector, v: Vector) -> Vector:
    return u[0] - v[0], u[1] - v[1], u[2] - v[2]


def _cross(u: Vector, v: Vector) -> Vector:
    return u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]


def _dot(u: Vector, v: Vector) -> Fraction:
    return u[0] * v[0] + u[1] * v[1] + u[2] * v[2]
