"""The largest Courant number on the infinite grid: a stencil's symbol at every angle against a method's exact region.

A stencil with weights w_j on a grid of spacing 1 has the symbol lambda(theta) = sum_j w_j exp(i j theta). With
u = 1 - cos(theta) it is A(u) + i sin(theta) B(u), and for z = nu lambda the E-polynomial |Q|^2 - |P|^2 is one in nu and
u with rational coefficients. As theta -> 0 its lowest power of u decides alone: a method that is unstable for every
step gives 0 here, and not the small number that the longest wave of a finite grid would suggest.

Source: E-polynomial: Hairer, Wanner II (1996), section IV.3; von Neumann's analysis: Strikwerda, *Finite Difference
Schemes and Partial Differential Equations* (2004), section 2.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fieldsolver.errors import OptionError
from fieldsolver.methods.polynomial import Polynomial, add, multiply, polynomial, scale

from .cosines import cosine, on_circle, sine
from .rational import RationalScheme
from .real_roots import positive_roots, sign_at
from .scheme import Complex, Floats, Scheme, StepBound

ANGLES = 2000
ZOOMS = 5
ZOOM_POINTS = 100
BELOW = Fraction(1) - Fraction(1, 10**9)
"""Share of a limit at which all angles at once are proved stable."""
CHECKED_SHARES = tuple(Fraction(k, 8) for k in range(1, 8))
"""Further shares: regions need not be star-shaped."""
EXACT_TERMS = 60
"""Degree in u up to which that proof is attempted."""

ZERO, ONE = polynomial([]), polynomial([1])


@dataclass(frozen=True)
class CourantLimit:
    """The largest Courant number.

    Attributes:
        bound: `dt` is the number itself; `binding` is -1, as modes are not numbered here. The certificate is
            ``"exact"`` where all angles were proved stable below it, ``"empirical"`` where they were sampled.
        angle: theta of the binding wave, between 0 (the limit of long waves) and pi; NaN without a limit.
    """

    bound: StepBound
    angle: float


def largest_courant(scheme: Scheme, weights: Mapping[int, Fraction | int]) -> CourantLimit:
    """The largest nu such that no wave grows for any step nu' in (0, nu].

    Args:
        scheme: a Runge-Kutta method, explicit or implicit.
        weights: shift j -> w_j; upwind of first order is ``{0: -1, -1: 1}``.

    Raises:
        OptionError: another kind of scheme.
    """
    if not isinstance(scheme, RationalScheme):
        raise OptionError(f"{scheme.name!r} has no stability function P/Q; largest_courant wants a Runge-Kutta method")
    symbol = _Symbol(weights)
    if scheme.a_stable and symbol.never_grows:
        return CourantLimit(StepBound(np.inf, -1, "exact"), np.nan)
    growth = _growth(scheme, symbol)
    if not growth:
        return CourantLimit(StepBound(np.inf, -1, "exact"), np.nan)
    long_waves = _long_wave_limit(growth)
    if long_waves == 0:
        return CourantLimit(StepBound(0.0, -1, "exact"), 0.0)
    shortest, angle = _smallest_exit(scheme, symbol)
    limit, angle = (long_waves, 0.0) if long_waves <= shortest * (1 + 1e-9) else (shortest, angle)
    proved = _is_proved(growth, limit)
    return CourantLimit(StepBound(limit, -1, "exact" if proved else "empirical"), angle if limit < np.inf else np.nan)


class _Symbol:
    """A(u) and B(u)."""

    def __init__(self, weights: Mapping[int, Fraction | int]) -> None:
        self.real, self.imaginary = ZERO, ZERO
        for shift, weight in weights.items():
            self.real = add(self.real, scale(cosine(abs(shift)), Fraction(weight)))
            self.imaginary = add(self.imaginary, scale(sine(abs(shift)), Fraction(weight * (1 if shift > 0 else -1))))

    @property
    def never_grows(self) -> bool:
        """A <= 0 at every angle, proved."""
        return _is_negative([self.real], Fraction(1))

    def __call__(self, theta: Floats) -> Complex:
        """lambda(theta), with full relative accuracy of both parts as theta -> 0."""
        u = 2 * np.sin(theta / 2) ** 2
        return on_circle(self.real, u) + 1j * np.sin(theta) * on_circle(self.imaginary, u)


def _growth(scheme: RationalScheme, symbol: _Symbol) -> list[Polynomial]:
    """|P|^2 - |Q|^2 as polynomials in u, one for each power of nu, without the common power of u."""
    size = max(len(scheme.numerator), len(scheme.denominator))
    powers = _powers(symbol, size)
    squares = [_square(p, powers) for p in (scheme.numerator, scheme.denominator)]
    growth = [add(a, scale(b, Fraction(-1))) for a, b in zip(*squares, strict=True)]
    if not any(growth):
        return []
    while all(not p or p[0] == 0 for p in growth):
        growth = [p[1:] for p in growth]
    return growth


def _powers(symbol: _Symbol, count: int) -> list[tuple[Polynomial, Polynomial]]:
    """(X, Y) with lambda^k = X + i sin(theta) Y."""
    sine_squared = polynomial([0, 2, -1])  # u (2 - u)
    powers = [(ONE, ZERO)]
    for _ in range(count - 1):
        x, y = powers[-1]
        across = scale(multiply(sine_squared, multiply(y, symbol.imaginary)), Fraction(-1))
        powers.append(
            (add(multiply(x, symbol.real), across), add(multiply(x, symbol.imaginary), multiply(y, symbol.real)))
        )
    return powers


def _square(p: Polynomial, powers: list[tuple[Polynomial, Polynomial]]) -> list[Polynomial]:
    """|p(nu lambda)|^2, by powers of nu."""
    sine_squared = polynomial([0, 2, -1])
    result = [ZERO] * (2 * len(powers) - 1)
    for j, a in enumerate(p):
        for k, b in enumerate(p):
            real = multiply(powers[j][0], powers[k][0])
            across = multiply(sine_squared, multiply(powers[j][1], powers[k][1]))
            result[j + k] = add(result[j + k], scale(add(real, across), a * b))
    return result


def _long_wave_limit(growth: list[Polynomial]) -> float:
    """The nu beyond which waves of vanishing theta grow: the lowest coefficient in u as a polynomial in nu."""
    lowest = polynomial(p[0] if p else 0 for p in growth)
    while lowest[0] == 0:
        lowest = lowest[1:]
    if lowest[0] > 0:
        return 0.0
    for low, high in positive_roots(lowest):
        if sign_at(lowest, high * (1 + Fraction(1, 10**12))) > 0:
            return float((low + high) / 2)
    return np.inf


def _smallest_exit(scheme: RationalScheme, symbol: _Symbol) -> tuple[float, float]:
    """The smallest nu at which some wave leaves the region, and its angle."""
    theta = np.linspace(0, np.pi, ANGLES + 1)[1:]
    spacing = theta[0]
    for _ in range(ZOOMS):
        exits = _exits(scheme, symbol(theta))
        best = int(np.argmin(exits))
        if not np.isfinite(exits[best]):
            return np.inf, np.nan
        value, angle = float(exits[best]), float(theta[best])
        theta = np.linspace(max(angle - spacing, spacing / ZOOM_POINTS), min(angle + spacing, np.pi), ZOOM_POINTS + 1)
        spacing = theta[1] - theta[0]
    return value, angle


def _exits(scheme: RationalScheme, modes: Complex) -> Floats:
    size = np.abs(modes)
    with np.errstate(divide="ignore", invalid="ignore"):
        directions = np.where(size > 0, modes / size, -1.0)
        return np.where(size > 0, scheme.exits(directions) / size, np.inf)


def _is_proved(growth: list[Polynomial], limit: float) -> bool:
    """Whether no angle grows just below the limit, nor at some smaller steps: no sign change on 0 < u <= 2."""
    if max(len(p) for p in growth) > EXACT_TERMS or not np.isfinite(limit):
        return False
    shares = (*CHECKED_SHARES, BELOW)
    return all(_is_negative(growth, Fraction(limit) * share) for share in shares)


def _is_negative(growth: list[Polynomial], nu: Fraction) -> bool:
    total = ZERO
    for k, p in enumerate(growth):
        total = add(total, scale(p, nu**k))
    if not total:
        return True
    while total[0] == 0:
        total = total[1:]
    return total[0] < 0 and not any(high < 2 for _, high in positive_roots(total))
