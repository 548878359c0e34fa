"""The second derivative between two walls: ``H D2(D) = -M(D) + D_N e_N n_N^T + D_0 e_0 n_0^T``.

``n`` are the outward derivatives at the walls, ``e`` the wall points, and ``M`` is symmetric, positive semidefinite for
every ``D >= 0`` and linear in ``D``. As in Mattsson (2012) it is *compatible* with the first derivative:

    M(D) = D1^T H D D1  +  sum_k c_k Δk^T D_k Δk  +  D_0 ρ_0 ρ_0^T / κ  +  D_N ρ_N ρ_N^T / κ          (spacing 1)

* ``Δk``, ``k = p+1 .. 2p``, are undivided differences on all windows that leave out the wall points, ``D_k`` the
  mean of ``D`` over the ``2p + 1 - k`` points in the middle of the window. They cancel the outer diagonals of
  ``D1^T H D D1``: inside, ``D2(D)`` uses the points of the central stencil of order ``2p`` and no others.
* ``ρ ρ^T/κ`` mends the leading error at a wall. Exactness for ``x^(p+1)`` and constant ``D`` asks for
  ``K x^(p+1) = ρ`` with a known ``ρ`` that is orthogonal to all polynomials of degree ``p``; the matrix of rank one
  with ``κ = ρ^T x^(p+1)`` does it, and is positive because ``κ > 0``. Where ``D`` varies, its value on the wall is
  as good as any near it: the order ``p`` at the wall is kept.
* ``n = -D1[0] + (D1[0] x^(p+1) / κ) ρ`` is then exact for degree ``p + 1``.

The boundary rows of ``D2`` are of order ``p``, as those of Mattsson & Nordström (2004), and solutions of order
``min(2p, p + 2)``. For order 2 and constant ``D`` the operator is theirs; for 4 and 6 it is another member of the same
family, with nothing tabulated.

*Borrowing* (Mattsson, Ham & Iaccarino 2008): how much of ``(n^T u)^2`` the matrix dominates,

    u^T M(D) u >= α (D_0 (n_0^T u)^2 + D_N (n_N^T u)^2),    1/α = 1/H_00 + (D1[0] x^(p+1))^2 / κ

because ``n`` is a combination of ``D1[0]`` and ``ρ``, whose squares stand in ``M`` with the factors ``H_00 D_0`` and
``D_0/κ``. It decides how strong a Dirichlet penalty must be, for any ``D >= 0`` and without division by ``D``.

References:
    K. Mattsson & J. Nordström, J. Comput. Phys. 199 (2004) 503.
    K. Mattsson, F. Ham & G. Iaccarino, J. Comput. Phys. 227 (2008) 8753.
    K. Mattsson, J. Sci. Comput. 51 (2012) 650, section 2; appendix A for the ``c_k``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import factorial

from .first_derivative import CLOSURE_ROWS, FirstDerivative, first_derivative
from .rational import Matrix, Vector, dot

DIFFERENCE_WEIGHTS: dict[int, dict[int, Fraction]] = {
    2: {2: Fraction(1, 4)},
    4: {3: Fraction(1, 18), 4: Fraction(1, 144)},
    6: {4: Fraction(1, 80), 5: Fraction(1, 600), 6: Fraction(1, 3600)},
}
"""``{order: {k: c_k}}``."""


@dataclass(frozen=True)
class SecondDerivative:
    """``M``, ``n`` and ``α`` at the low wall, for the spacing 1; the high wall is its mirror image.

    Attributes:
        first: the first derivative that goes with it.
        remainder: ``ρ``, on the ``L`` points next to the wall.
        moment: ``κ``.
        normal: outward derivative ``n``, on the same points.
        borrowing: ``α``.
        stiffness: rows ``0 .. L - 1`` of ``M`` for ``D = 1``, ``L`` by ``L + p``.
    """

    first: FirstDerivative
    remainder: Vector
    moment: Fraction
    normal: Vector
    borrowing: Fraction
    stiffness: Matrix


@cache
def second_derivative(order: int) -> SecondDerivative:
    """Derive the closure.

    Args:
        order: 2, 4 or 6.
    """
    first, p = first_derivative(order), order // 2
    L = closure_points(order)
    points = range(L + 3 * p)
    leading = tuple(Fraction(i) ** (p + 1) for i in points)
    curvature = [(p + 1) * p * first.weight(i) * Fraction(i) ** (p - 1) for i in range(L)]
    before = _compatible(first, leading, L)
    remainder = tuple(-f - m for f, m in zip(curvature, before, strict=True))
    moment = dot(remainder, leading[:L])

    slope = [*(c / first.norm[0] for c in first.closure[0]), *[Fraction(0)] * L][:L]
    error = dot(slope, leading[:L])
    normal = tuple(-s + error / moment * c for s, c in zip(slope, remainder, strict=True))
    borrowing = 1 / (1 / first.norm[0] + error**2 / moment)

    columns = []
    for j in range(L + p):
        unit = [Fraction(int(i == j)) for i in points]
        weight = dot(remainder, unit[:L]) / moment
        columns.append([m + weight * c for m, c in zip(_compatible(first, unit, L), remainder, strict=True)])
    return SecondDerivative(first, remainder, moment, normal, borrowing, tuple(zip(*columns, strict=True)))


def closure_points(order: int) -> int:
    """``L``: the points next to a wall where ``M`` with constant ``D`` differs from its interior."""
    p = order // 2
    return max(CLOSURE_ROWS[order] + p, 2 * p + 1)


def _compatible(first: FirstDerivative, values: Sequence[Fraction], rows: int) -> list[Fraction]:
    """The first `rows` of ``(D1^T H D1 + sum_k c_k Δk^T Δk) u`` on a half-line."""
    slope = [q / first.weight(i) for i, q in enumerate(first.difference(values))]
    # D1^T H v = Q^T v = -Q v - v_0 e_0
    result = [-q for q in first.difference(slope)[:rows]]
    result[0] -= slope[0]
    for k, c in DIFFERENCE_WEIGHTS[first.order].items():
        signs = [Fraction((-1) ** (k - i) * factorial(k), factorial(i) * factorial(k - i)) for i in range(k + 1)]
        for start in range(1, len(values) - k):
            change = c * dot(signs, values[start : start + k + 1])
            for i in range(start, min(start + k + 1, rows)):
                result[i] += change * signs[i - start]
    return result
