"""The first derivative between two walls: ``D1 = H^-1 Q`` with ``Q + Q^T = diag(-1, 0, ..., 0, 1)``.

``H`` is diagonal and positive, so that ``u^T H v`` is a quadrature of ``u v`` and summation by parts holds exactly:

    u^T H (D1 v) + (D1 u)^T H v = u_N v_N - u_0 v_0

Inside, ``Q`` is the central difference of order ``2p``; next to the walls the rows are exact for degree ``p``, the
best that a diagonal ``H`` allows. Nothing is tabulated: the entries solve these equations. For orders 2 and 4 they are
unique; order 6 leaves one number free, and we take that of the smallest leading boundary error in the norm ``H``.

References:
    H.-O. Kreiss & G. Scherer, in Mathematical Aspects of Finite Elements in PDE (1974) 195.
    B. Strand, J. Comput. Phys. 110 (1994) 47: the closures, and the free parameter of order 6.
    K. Mattsson & J. Nordström, J. Comput. Phys. 199 (2004) 503, appendix C.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import combinations

from ..stencils import central_stencil
from .rational import Matrix, Vector, dot, solution_set

CLOSURE_ROWS = {2: 1, 4: 4, 6: 6}
"""Rows at either wall that differ from the interior, by order."""


@dataclass(frozen=True)
class FirstDerivative:
    """``H`` and ``Q`` at the low wall, for the spacing 1; the high wall is its mirror image.

    Attributes:
        order: ``2p``, of the interior.
        norm: diagonal of ``H`` on the closure; 1 beyond it.
        closure: the rows of ``Q`` on the closure, ``r`` by ``r + p``.
        interior: coefficients of ``Q`` at the offsets ``1 .. p``; those of ``-1 .. -p`` are opposite.
    """

    order: int
    norm: Vector
    closure: Matrix
    interior: Vector

    def weight(self, i: int) -> Fraction:
        """``H_ii``, counted from the wall."""
        return self.norm[i] if i < len(self.norm) else Fraction(1)

    def difference(self, values: Sequence[Fraction]) -> Vector:
        """``Q u`` from ``u`` at the points ``0, 1, 2, ...`` of a half-line; the last ``p`` rows are not known."""
        near = [dot(row, values[: len(row)]) for row in self.closure]
        beyond = [
            sum((c * (values[i + k] - values[i - k]) for k, c in enumerate(self.interior, start=1)), Fraction(0))
            for i in range(len(near), len(values) - len(self.interior))
        ]
        return (*near, *beyond)


@cache
def first_derivative(order: int) -> FirstDerivative:
    """Solve the accuracy conditions ``(Q x^k)_i = k h_i i^(k-1)``, ``k = 0 .. p``, on the closure.

    Args:
        order: 2, 4 or 6.
    """
    p, rows = order // 2, CLOSURE_ROWS[order]
    interior = central_stencil(1, order)[p + 1 :]
    pairs = tuple(combinations(range(rows), 2))  # Q_ij = -Q_ji off the diagonal
    unknowns = rows + len(pairs)

    def condition(i: int, degree: int) -> tuple[list[Fraction], Fraction]:
        """Coefficients of the unknowns ``(h, Q_pairs)``, and the right-hand side from the known entries of ``Q``."""
        coefficients = [Fraction(0)] * unknowns
        coefficients[i] = -_slope(degree, i)
        for number, (a, b) in enumerate(pairs, start=rows):
            if i == a:
                coefficients[number] = Fraction(b) ** degree
            elif i == b:
                coefficients[number] = -(Fraction(a) ** degree)
        known = Fraction(-1, 2) * 0**degree if i == 0 else Fraction(0)  # Q_00 = -1/2
        known += sum(
            (interior[j - i - 1] * Fraction(j) ** degree for j in range(rows, i + p + 1)),
            Fraction(0),
        )
        return coefficients, -known

    equations = [condition(i, degree) for degree in range(p + 1) for i in range(rows)]
    solution, directions = solution_set([left for left, _ in equations], [right for _, right in equations])
    if directions:
        (direction,) = directions
        norm = solution[:rows]
        leading = [condition(i, p + 1) for i in range(rows)]
        error = [dot(left, solution) - right for left, right in leading]  # of H D1 x^(p+1)
        change = [dot(left, direction) / weight for (left, _), weight in zip(leading, norm, strict=True)]
        t = -dot(change, error) / dot(change, [dot(left, direction) for left, _ in leading])
        solution = tuple(x + t * d for x, d in zip(solution, direction, strict=True))

    Q = [[Fraction(0)] * (rows + p) for _ in range(rows)]
    Q[0][0] = Fraction(-1, 2)
    for (a, b), value in zip(pairs, solution[rows:], strict=True):
        Q[a][b], Q[b][a] = value, -value
    for i in range(rows):
        for j in range(rows, i + p + 1):
            Q[i][j] = interior[j - i - 1]
    return FirstDerivative(order, solution[:rows], tuple(map(tuple, Q)), interior)


def _slope(degree: int, x: int) -> Fraction:
    """Derivative of ``x^degree``."""
    return degree * Fraction(x) ** (degree - 1) if degree else Fraction(0)
