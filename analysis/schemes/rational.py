"""R(z) = P/Q of a Runge-Kutta method, exactly, and what follows from it: A-stability, L-stability, intervals.

    R(z) = det(I - z A + z 1 b^T) / det(I - z A)

from any tableau with rational entries. Methods with irrational ones (Gauss, Radau, Lobatto) have Pade approximants of
exp as their R, which are rational again: see `pade`. On the imaginary axis E(y) = |Q(iy)|^2 - |P(iy)|^2 >= 0 decides.

Source: Hairer, Wanner, *Solving Ordinary Differential Equations II* (1996), sections IV.3 (E-polynomial, theorem 3.12
for Pade approximants) and IV.5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import factorial

import numpy as np

from fieldsolver.methods.polynomial import Polynomial, add, divide, multiply, polynomial, scale

from .boundary import is_stable
from .characteristic import CharacteristicScheme, terms
from .exits import exit_radii
from .real_roots import positive_roots, sign_at
from .scheme import Complex, Floats

Matrix = Sequence[Sequence[Fraction]]
ONE = polynomial([1])


@dataclass(frozen=True, eq=False)
class RationalScheme(CharacteristicScheme):
    """A one-step method with the stability function R = P/Q; P and Q are exact and have no common factor."""

    @property
    def numerator(self) -> Polynomial:
        """P, lowest power first."""
        return scale(_dense(self.chi[0]), Fraction(-1))

    @property
    def denominator(self) -> Polynomial:
        """Q, lowest power first; Q(0) = 1."""
        return _dense(self.chi[1])

    @cached_property
    def energy_growth(self) -> tuple[Polynomial, Polynomial]:
        """|R(iy)|^2 - 1 as a fraction of two polynomials in y: the relative energy growth of an oscillator per step."""
        squares = [_square_on_axis(p) for p in (self.numerator, self.denominator)]
        return add(squares[0], scale(squares[1], Fraction(-1))), squares[1]

    @cached_property
    def a_stable(self) -> bool:
        """|R| <= 1 in the whole left half-plane, proved: E >= 0 on the axis, and all poles to the right of it."""
        return self.imaginary_interval == np.inf and _grows_only(self.denominator)

    @cached_property
    def limit_at_infinity(self) -> float:
        """R(infinity)."""
        p, q = self.numerator, self.denominator
        if len(p) > len(q):
            return np.inf
        return float(p[-1] / q[-1]) if len(p) == len(q) else 0.0

    @cached_property
    def growth_boundary(self) -> float:
        """Where growing solutions begin to decay: the largest x > 0 with |R| = 1 and |R| < 1 beyond it; else inf."""
        p, q = self.numerator, self.denominator
        growth = add(multiply(p, p), scale(multiply(q, q), Fraction(-1)))
        while growth and growth[0] == 0:
            growth = growth[1:]
        roots = positive_roots(growth)
        decays_at_last = bool(roots) and sign_at(growth, roots[-1][1] + 1) < 0
        return float(roots[-1][0]) if decays_at_last else np.inf

    @cached_property
    def alpha(self) -> float:
        """Degrees: |R| <= 1 in the sector of this half-angle around the negative real axis; 90 for A-stable methods."""
        if self.a_stable:
            return 90.0
        if self.real_interval < np.inf:
            return 0.0
        low, high = 0.0, 90.0
        while high - low > 1e-10:
            middle = np.radians((low + high) / 2)
            stable = self.exact_limit(complex(-np.cos(middle), np.sin(middle))) is None
            low, high = ((low + high) / 2, high) if stable else (low, (low + high) / 2)
        return low

    def exits(self, directions: Complex) -> Floats:
        """First unstable radius (M,) on rays through `directions` (M,), to rounding."""
        on_axis = directions.real == 0
        radii = np.full(directions.shape, self.imaginary_interval)
        radii[~on_axis] = exit_radii(self.numerator, self.denominator, int(self.order), directions[~on_axis])
        return radii

    def facts(self) -> Mapping[str, float | bool]:
        """See `Scheme`."""
        own: dict[str, float | bool] = {
            "a_stable": self.a_stable,
            "l_stable": self.a_stable and self.limit_at_infinity == 0,
            "alpha": self.alpha,
            "limit_at_infinity": self.limit_at_infinity,
            "growth_boundary": self.growth_boundary,
        }
        return {**super().facts(), **own}


def one_step(p: Polynomial, q: Polynomial = ONE) -> tuple[Mapping[tuple[int, ...], Fraction], ...]:
    """chi of P/Q: -P + Q zeta, without common factors and with Q(0) = 1."""
    common = _common_factor(p, q)
    p, q = divide(p, common)[0], divide(q, common)[0]
    return terms(*scale(p, -1 / q[0])), terms(*scale(q, 1 / q[0]))


def stability_function(a: Matrix, b: Sequence[Fraction]) -> tuple[Polynomial, Polynomial]:
    """P and Q of any tableau: s rows of A with s entries each, s weights; common factors are not divided out."""
    with_weights = [[x - w for x, w in zip(row, b, strict=True)] for row in a]  # A - 1 b^T
    return _determinant_of_pencil(with_weights), _determinant_of_pencil(a)


def linear_order(p: Polynomial, q: Polynomial) -> int:
    """The largest k with P/Q = exp + O(z^(k+1)); at most the number of coefficients."""
    for power in range(len(p) + len(q)):
        wanted = sum((value / factorial(power - j) for j, value in enumerate(q[: power + 1])), Fraction(0))
        if wanted != (p[power] if power < len(p) else 0):
            return power - 1
    return len(p) + len(q) - 1


def pade(numerator: int, denominator: int) -> tuple[Polynomial, Polynomial]:
    """P and Q of the Pade approximant of exp of these degrees.

    Source: Hairer, Wanner II (1996), theorem IV.3.11.
    """
    k, j = numerator, denominator

    def half(degree: int, other: int, sign: int) -> Polynomial:
        return polynomial(
            Fraction(
                sign**i * factorial(degree) * factorial(degree + other - i),
                factorial(degree + other) * factorial(i) * factorial(degree - i),
            )
            for i in range(degree + 1)
        )

    return half(k, j, 1), half(j, k, -1)


def completed(q: Sequence[Fraction], degree: int, order: int) -> tuple[Polynomial, Polynomial]:
    """P of a degree and Q such that P/Q = exp + O(z^(order+1)), from the first coefficients of Q, that is 1, q_1, ...

    The last coefficients of Q follow from the order. So an irrational parameter that was rounded leaves the order
    exact, and with it the sign of the E-polynomial near 0.
    """
    missing = order - degree
    known = list(q)
    # the coefficients of z^(degree + 1), ..., z^order in Q exp vanish
    system = [
        [
            Fraction(1, factorial(power - len(known) - j)) if power >= len(known) + j else Fraction(0)
            for j in range(missing)
        ]
        for power in range(degree + 1, order + 1)
    ]
    right = [
        -sum((value / factorial(power - j) for j, value in enumerate(known) if power >= j), Fraction(0))
        for power in range(degree + 1, order + 1)
    ]
    full = polynomial([*known, *_solve(system, right)])
    exponential = polynomial(Fraction(1, factorial(k)) for k in range(degree + 1))
    return polynomial(multiply(full, exponential)[: degree + 1]), full


def _solve(matrix: list[list[Fraction]], right: list[Fraction]) -> list[Fraction]:
    """Gauss-Jordan elimination."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for k in range(len(rows)):
        pivot = next(i for i in range(k, len(rows)) if rows[i][k] != 0)
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [value / rows[k][k] for value in rows[k]]
        for i in range(len(rows)):
            if i != k:
                rows[i] = [x - rows[i][k] * y for x, y in zip(rows[i], rows[k], strict=True)]
    return [row[-1] for row in rows]


def _determinant_of_pencil(a: Matrix) -> Polynomial:
    """det(I - z A), by the method of Faddeev and LeVerrier."""
    s = len(a)
    coefficients, product = [Fraction(1)], [[Fraction(0)] * s for _ in range(s)]
    for k in range(1, s + 1):
        shifted = [
            [x + (coefficients[-1] if i == j else 0) for j, x in enumerate(row)] for i, row in enumerate(product)
        ]
        product = [
            [sum((x * shifted[m][j] for m, x in enumerate(row) if x), Fraction(0)) for j in range(s)] for row in a
        ]
        coefficients.append(-sum((product[i][i] for i in range(s)), Fraction(0)) / k)
    return polynomial(coefficients)


def _square_on_axis(p: Polynomial) -> Polynomial:
    """|p(iy)|^2 as a polynomial in y."""
    even = polynomial((-1) ** (k // 2) * value if k % 2 == 0 else 0 for k, value in enumerate(p))
    odd = polynomial((-1) ** (k // 2) * value if k % 2 else 0 for k, value in enumerate(p))
    return add(multiply(even, even), multiply(odd, odd))


def _grows_only(p: Polynomial) -> bool:
    """Whether all roots lie strictly to the right of the axis: those of (1-w)^n p((1+w)/(1-w)) inside the circle."""
    n = len(p) - 1
    if n < 1:
        return True
    moved: Polynomial = ()
    for k, value in enumerate(p):
        term = polynomial([value])
        for _ in range(k):
            term = multiply(term, polynomial([1, 1]))
        for _ in range(n - k):
            term = multiply(term, polynomial([1, -1]))
        moved = add(moved, term)
    return len(moved) == n + 1 and is_stable([(value, Fraction(0)) for value in moved])


def _common_factor(p: Polynomial, q: Polynomial) -> Polynomial:
    while q:
        p, q = q, divide(p, q)[1]
        q = scale(q, 1 / q[-1]) if q else q
    return scale(p, 1 / p[-1])


def _dense(sparse: Mapping[tuple[int, ...], Fraction]) -> Polynomial:
    size = max((exponent for (exponent,) in sparse), default=-1) + 1
    return polynomial(sparse.get((k,), Fraction(0)) for k in range(size))
