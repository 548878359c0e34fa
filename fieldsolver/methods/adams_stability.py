"""Linear stability of Adams methods on equal steps: the root locus and its crossings of rays, from exact arithmetic.

For y' = lambda y, z = h lambda, an explicit Adams method has the characteristic polynomial rho(zeta) - z sigma(zeta),
rho = zeta^k - zeta^(k-1). A root passes the unit circle only where z lies on the root locus z = rho / sigma,
zeta = exp(i phi). With u = 1 - cos(phi), rho conj(sigma) = A(u) + i sin(phi) B(u) and |sigma|^2 = S(u) are polynomials
with rational coefficients, so crossings of the axes are isolated roots, and near z = 0, where A(u) vanishes to high
order, nothing cancels. Between two crossings one look at the roots zeta decides.

Source: Hairer, Wanner, *Solving Ordinary Differential Equations II* (1996), section V.1.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import cache, cached_property
from itertools import pairwise
from math import comb, pi, sqrt

import numpy as np

from .polynomial import Polynomial, add, evaluate, isolate_positive_roots, multiply, polynomial, scale

ROOT_WIDTH = Fraction(1, 2**80)
LOCUS = 1000
"""Points of the root locus among which crossings of a ray are bracketed."""
SECANTS = 8
"""Steps that take a crossing from its bracket to round-off."""
NEAREST_ANGLE = 1e-6
"""Smallest angle phi of those points."""


class MultistepStability:
    """Where a linear multistep method with the characteristic polynomial rho - z sigma does not grow.

    Args:
        rho: coefficients, lowest power first.
        sigma: likewise.
    """

    def __init__(self, rho: Polynomial, sigma: Polynomial) -> None:
        self.rho, self.sigma = rho, sigma
        pairs = [(a, b, x * y) for a, x in enumerate(rho) for b, y in enumerate(sigma)]
        self._real = _sum(scale(_cosine(abs(a - b)), xy) for a, b, xy in pairs)
        self._imaginary = _sum(scale(_sine(abs(a - b)), xy * (1 if a > b else -1)) for a, b, xy in pairs)
        squares = ((a, b, x * y) for a, x in enumerate(sigma) for b, y in enumerate(sigma))
        self._square = _sum(scale(_cosine(abs(a - b)), xy) for a, b, xy in squares)
        self.real_interval = self._first_growth(self._crossings_of_the_real_axis(), -1.0)
        self.imaginary_interval = self._first_growth(self._crossings_of_the_imaginary_axis(), 1j)

    def exit_radii(self, angles: np.ndarray) -> np.ndarray:
        """First r at which z = r (-sin(angle) + i cos(angle)) leaves the stability region.

        Args:
            angles: (M,), away from the imaginary axis into the left half-plane, in [0, pi/2].

        Returns:
            (M,) radii.
        """
        # Near 0 the ray is inside: the principal root is exp(z) + O(z^(k+1)). Where it meets the locus first it leaves.
        back = -np.sin(angles) - 1j * np.cos(angles)  # turns the rays to the positive real axis
        phi, z = self._sampled_locus
        side = z.imag * back.real[:, None] + z.real * back.imag[:, None]
        ray, place = np.nonzero(side[:, 1:] * side[:, :-1] <= 0)
        low, high, at_low, at_high = phi[place], phi[place + 1], side[ray, place], side[ray, place + 1]
        for _ in range(SECANTS):  # the Illinois method
            middle = low - at_low * (high - low) / np.where(at_high == at_low, 1.0, at_high - at_low)
            here = (self._locus(middle) * back[ray]).imag
            beyond = here * at_high <= 0
            low, at_low = np.where(beyond, high, low), np.where(beyond, at_high, at_low / 2)
            high, at_high = middle, here
        along = (self._locus(high) * back[ray]).real
        radii = np.full(angles.shape, np.inf)
        np.minimum.at(radii, ray, np.where(along > 2 * NEAREST_ANGLE, along, np.inf))
        # On the axes the exact crossings are known.
        radii = np.where(angles == 0.0, self.imaginary_interval, radii)
        return np.where(angles >= pi / 2 * (1 - 1e-12), self.real_interval, radii)

    @cached_property
    def _sampled_locus(self) -> tuple[np.ndarray, np.ndarray]:
        """Angles phi on both sides of 0, and the locus there."""
        phi = np.concatenate([np.geomspace(NEAREST_ANGLE, 0.01, LOCUS // 2), np.linspace(0.01, pi, LOCUS)[1:]])
        phi = np.concatenate([-phi[::-1], phi])
        return phi, self._locus(phi)

    def grows(self, z: complex) -> bool:
        """Whether some solution of the difference equation grows: a root outside the unit circle."""
        coefficients = np.array([float(value) for value in self.rho], dtype=complex)
        coefficients[: len(self.sigma)] -= z * np.array([float(value) for value in self.sigma])
        return bool(np.abs(np.roots(coefficients[::-1])).max() > 1.0)

    def _first_growth(self, crossings: list[float], direction: complex) -> float:
        """The first crossing beyond which z = r direction is unstable; between crossings stability does not change."""
        edges = sorted(r for r in crossings if r > 0)
        ends = [0.0, *edges, 2.0 * edges[-1] if edges else 1.0]
        for low, high in pairwise(ends):
            if self.grows((low + high) / 2 * direction):
                return low
        return float("inf")

    def _crossings_of_the_real_axis(self) -> list[float]:
        """-z where the locus is real: at zeta = -1, and where B(u) = 0."""
        at_minus_one = evaluate(self.rho, Fraction(-1)) / evaluate(self.sigma, Fraction(-1))
        return [
            -float(at_minus_one),
            *(-float(evaluate(self._real, u) / evaluate(self._square, u)) for u in _roots(self._imaginary)),
        ]

    def _crossings_of_the_imaginary_axis(self) -> list[float]:
        """|z| where A(u) = 0; the locus is symmetric, so its sign does not matter."""
        square = _sum(scale(_cosine(abs(a - b)), x * y) for a, x in enumerate(self.rho) for b, y in enumerate(self.rho))
        return [sqrt(evaluate(square, u) / evaluate(self._square, u)) for u in _roots(self._real)]

    def _locus(self, phi: np.ndarray) -> np.ndarray:
        u = 2.0 * np.sin(phi / 2.0) ** 2
        real, imaginary, square = (_values(p, u) for p in (self._real, self._imaginary, self._square))
        return (real + 1j * np.sin(phi) * imaginary) / square


@cache
def adams_bashforth_stability(order: int) -> MultistepStability:
    """The stability of the explicit Adams method of this order."""
    rho = polynomial([*[0] * (order - 1), -1, 1])
    return MultistepStability(rho, polynomial(reversed(adams_bashforth_weights(order))))


def adams_bashforth_weights(order: int) -> list[Fraction]:
    """b_i in y_(n+1) = y_n + h sum_i b_i f_(n-i), for equal steps: gamma_j, spread over the backward differences.

    Source: Hairer, Norsett, Wanner I (1993), section III.1, eqs. (1.5) and (1.6).
    """
    gamma: list[Fraction] = []
    for m in range(order):
        gamma.append(1 - sum((value / (m + 1 - j) for j, value in enumerate(gamma)), Fraction(0)))
    return [(-1) ** i * sum((gamma[j] * comb(j, i) for j in range(i, order)), Fraction(0)) for i in range(order)]


def _cosine(m: int) -> Polynomial:
    """cos(m phi) as a polynomial in u = 1 - cos(phi)."""
    return _recurrence(m, polynomial([1]), polynomial([1, -1]))


def _sine(m: int) -> Polynomial:
    """sin(m phi) / sin(phi) as a polynomial in u; 0 for m = 0."""
    return _recurrence(m, polynomial([]), polynomial([1]))


def _recurrence(m: int, zeroth: Polynomial, first: Polynomial) -> Polynomial:
    """x_(m+1) = 2 cos(phi) x_m - x_(m-1)."""
    for _ in range(m):
        zeroth, first = first, add(multiply(polynomial([2, -2]), first), scale(zeroth, Fraction(-1)))
    return zeroth


def _sum(terms: Iterable[Polynomial]) -> Polynomial:
    total: Polynomial = ()
    for term in terms:
        total = add(total, term)
    return total


def _roots(p: Polynomial) -> list[Fraction]:
    """The roots with 0 < u < 2."""
    while p and p[0] == 0:
        p = p[1:]
    middles = ((low + high) / 2 for low, high in isolate_positive_roots(p, ROOT_WIDTH))
    return [u for u in middles if u < 2]


def _values(p: Polynomial, u: np.ndarray) -> np.ndarray:
    """Horner's rule, from the first power that occurs: relative accuracy near u = 0."""
    lowest = next((k for k, value in enumerate(p) if value != 0), 0)
    return u**lowest * np.polynomial.polynomial.polyval(u, [float(value) for value in p[lowest:] or [Fraction(0)]])
