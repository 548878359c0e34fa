"""The angle of a pair of segments that nearly touch: the sign of the orientation exactly, the rest to 60 digits.

The coordinates are binary fractions, so Delta = alpha . (gamma x beta), six times the volume of the tetrahedron abcd,
is a rational number: its sign is exact. Such pairs are rare; what Python needs for one of them does not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from .curves import Points

if TYPE_CHECKING:
    from mpmath import mpf

DIGITS = 60
ZERO = 1e-45
"""D below this share of |alpha||beta||gamma| is zero: differences of square roots of such numbers are 0 or larger."""

Vector = tuple[Fraction, Fraction, Fraction]


@dataclass(frozen=True)
class ExactAngle:
    """What `exact_angle` returns.

    Attributes:
        angle: atan2(Delta, D_1) + atan2(Delta, D_2), rounded once.
        touching: the segments have a point in common; the angle then means nothing.
    """

    angle: float
    touching: bool


def exact_angle(a: Points, b: Points, c: Points, d: Points) -> ExactAngle:
    """The angle of segments ab and cd, each point ``(3,)``; see `gauss_loops`."""
    alpha, beta, gamma, delta = (_difference(*pair) for pair in ((a, c), (b, c), (b, d), (a, d)))
    orientation = _dot(alpha, _cross(gamma, beta))
    import mpmath

    with mpmath.workdps(DIGITS):
        first, second = _denominator(alpha, beta, gamma), _denominator(alpha, gamma, delta)
        if orientation == 0:
            return ExactAngle(0.0, touching=first <= ZERO or second <= ZERO)
        triple = mpmath.mpf(orientation.numerator) / orientation.denominator
        sizes = [
            mpmath.mpf(1) if size == 0 else size for size in (_size(alpha, beta, gamma), _size(alpha, gamma, delta))
        ]
        angles = [mpmath.atan2(triple / size, share) for size, share in zip(sizes, (first, second), strict=True)]
        return ExactAngle(float(angles[0] + angles[1]), touching=False)


def _denominator(a: Vector, b: Vector, c: Vector) -> mpf:
    """D / (|a||b||c|) = 1 + cos(ab) + cos(ac) + cos(bc); 0 where a corner lies in the origin."""
    import mpmath

    lengths = [_length(vector) for vector in (a, b, c)]
    if not all(lengths):
        return mpmath.mpf(0)
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


def _cross(u: Vector, v: Vector) -> Vector:
    return u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]


def _dot(u: Vector, v: Vector) -> Fraction:
    return u[0] * v[0] + u[1] * v[1] + u[2] * v[2]
