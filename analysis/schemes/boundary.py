"""The first step size at which a difference equation grows, from exact arithmetic: Schur and Cohn's criterion on a ray.

On a ray z = r lambda the characteristic polynomial is chi(zeta) = sum_j a_j(r) zeta^j, with polynomials a_j in r. All n
roots lie inside the unit circle exactly where the Hermitian matrix M is positive definite::

    M_ij = sum_(k <= min(i,j)) ( a_(n-i+k) conj(a_(n-j+k)) - conj(a_(i-k)) a_(j-k) ),   i, j = 0..n-1

Its determinant, a real polynomial in r, vanishes wherever a root meets the circle. So stability changes only at roots
of det M, and one look between two of them decides. A zero of det M at r = 0 is divided out exactly: the principal
root starts at 1, and on which side of the circle it leaves is a matter of leading coefficients, not of a tolerance.
For one step, n = 1, it is |Q|^2 - |P|^2, the E-polynomial.

Where det M vanishes identically, and chi is its own reversed conjugate (leapfrog on the imaginary axis), all roots lie
on the circle exactly where those of chi' lie in it, Cohn's theorem; then chi' is asked.

Source: Schur 1918; Cohn 1922; Marden, *Geometry of Polynomials* (1966), sections 42, 43 and 45; Hairer, Wanner II
(1996), sections IV.3 and V.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm
from typing import TypeVar

from fieldsolver.methods.polynomial import Polynomial, add, evaluate, multiply, polynomial, scale

from .ray import Ray
from .real_roots import positive_roots

Number = tuple[Fraction, Fraction]
"""Real and imaginary part."""
Integer = tuple[int, int]
"""A Gaussian integer."""
N = TypeVar("N", int, Fraction)


class UndecidedError(ArithmeticError):
    """Roots stay on the unit circle while others may move: the criterion is silent."""


def first_growth(chi: Sequence[Ray], slack: Fraction = Fraction(0)) -> Fraction | None:
    """The smallest r >= 0 right of which a root of chi lies outside the unit circle; None if there is none.

    Args:
        chi: a_0 .. a_n, polynomials in r with coefficients of about 1.
        slack: first coefficients of det M below this are rounding of the coefficients of the method, and count as 0.

    Raises:
        UndecidedError: see there.
    """
    determinant = schur_cohn_determinant(chi)
    if not determinant:
        if len(chi) == 2:
            return None  # |P| = |Q| for every r
        if not _is_self_inversive(chi):
            raise UndecidedError("some, but not all, roots stay on the unit circle")
        return first_growth([a.scaled(k) for k, a in enumerate(chi) if k], slack)
    while determinant and abs(determinant[0]) <= slack:
        determinant = determinant[1:]
    if not determinant:
        return None
    roots = positive_roots(determinant)
    ends = [*(low for low, _ in roots), (roots[-1][1] + 1) * 2 if roots else Fraction(1)]
    starts = [Fraction(0), *(high for _, high in roots)]
    for low, high in zip(starts, ends, strict=True):
        if not is_stable(_at(chi, (low + high) / 2)):
            return low
    return None


def schur_cohn_determinant(chi: Sequence[Ray]) -> Polynomial:
    """det M as a polynomial in r, up to a positive factor."""
    n = len(chi) - 1
    if n == 1:
        return add(chi[1].square(), scale(chi[0].square(), Fraction(-1)))
    degree = 2 * n * (max(len(part) for a in chi for part in (a.real, a.imaginary)) - 1)
    common = lcm(*(value.denominator for a in chi for part in (a.real, a.imaginary) for value in part))
    nodes = [(-1) ** k * ((k + 1) // 2) for k in range(degree + 1)]
    values = [_determinant(_schur_cohn_matrix(_integers_at(chi, node, common))) for node in nodes]
    return _interpolated(nodes, values)


def is_stable(chi: Sequence[Number]) -> bool:
    """Whether all roots of sum_j chi[j] zeta^j lie strictly inside the unit circle, by Schur's reduction."""
    p = list(chi)
    while len(p) > 1:
        first, last = p[0], p[-1]
        if _square(first) >= _square(last):
            return False
        mirrored = [_conjugate(value) for value in reversed(p)]
        # (conj(a_n) chi - a_0 chi*) / zeta
        p = [_minus(_times(_conjugate(last), a), _times(first, b)) for a, b in zip(p[1:], mirrored[1:], strict=True)]
    return True


def _is_self_inversive(chi: Sequence[Ray]) -> bool:
    """Whether a_j conj(a_0) = a_n conj(a_(n-j)) for all j."""
    first, last = chi[0].conjugate(), chi[-1]
    return all(not (a * first - last * b.conjugate()) for a, b in zip(chi, reversed(chi), strict=True))


def _at(chi: Sequence[Ray], r: Fraction) -> list[Number]:
    return [(evaluate(a.real, r), evaluate(a.imaginary, r)) for a in chi]


def _integers_at(chi: Sequence[Ray], r: int, common: int) -> list[Integer]:
    """The coefficients at an integer r, times the common denominator."""
    return [(int(common * real), int(common * imaginary)) for real, imaginary in _at(chi, Fraction(r))]


def _schur_cohn_matrix(a: Sequence[Integer]) -> list[list[Integer]]:
    n = len(a) - 1
    matrix = [[(0, 0)] * n for _ in range(n)]
    for i in range(n):
        for j in range(n):
            total = (0, 0)
            for k in range(min(i, j) + 1):
                total = _plus(total, _times(a[n - i + k], _conjugate(a[n - j + k])))
                total = _minus(total, _times(_conjugate(a[i - k]), a[j - k]))
            matrix[i][j] = total
    return matrix


def _determinant(matrix: list[list[Integer]]) -> int:
    """The real determinant of a Hermitian matrix of Gaussian integers, without fractions (Bareiss 1968)."""
    rows, previous, sign = [list(row) for row in matrix], (1, 0), 1
    for k in range(len(rows) - 1):
        pivot = next((i for i in range(k, len(rows)) if rows[i][k] != (0, 0)), None)
        if pivot is None:
            return 0
        if pivot != k:
            rows[k], rows[pivot], sign = rows[pivot], rows[k], -sign
        for row in rows[k + 1 :]:
            for j in range(k + 1, len(rows)):
                entry = _minus(_times(rows[k][k], row[j]), _times(row[k], rows[k][j]))
                row[j] = _divided(entry, previous)
        previous = rows[k][k]
    return sign * rows[-1][-1][0]


def _divided(x: Integer, y: Integer) -> Integer:
    """x / y, which leaves no remainder."""
    product, square = _times(x, _conjugate(y)), y[0] * y[0] + y[1] * y[1]
    return product[0] // square, product[1] // square


def _interpolated(nodes: Sequence[int], values: Sequence[int]) -> Polynomial:
    """Newton's interpolation."""
    differences = [Fraction(value) for value in values]
    for k in range(1, len(nodes)):
        for i in range(len(nodes) - 1, k - 1, -1):
            differences[i] = (differences[i] - differences[i - 1]) / (nodes[i] - nodes[i - k])
    result: Polynomial = ()
    for node, difference in zip(reversed(nodes), reversed(differences), strict=True):
        result = add(multiply(result, polynomial([-node, 1])), polynomial([difference]))
    return result


def _conjugate(x: tuple[N, N]) -> tuple[N, N]:
    return x[0], -x[1]


def _square(x: Number) -> Fraction:
    return x[0] * x[0] + x[1] * x[1]


def _plus(x: tuple[N, N], y: tuple[N, N]) -> tuple[N, N]:
    return x[0] + y[0], x[1] + y[1]


def _minus(x: tuple[N, N], y: tuple[N, N]) -> tuple[N, N]:
    return x[0] - y[0], x[1] - y[1]


def _times(x: tuple[N, N], y: tuple[N, N]) -> tuple[N, N]:
    return x[0] * y[0] - x[1] * y[1], x[0] * y[1] + x[1] * y[0]
