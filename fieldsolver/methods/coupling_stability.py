"""Linear stability of a McCallum-Foster method: the roots of a quadratic equation, from exact arithmetic.

For y' = lambda y, zeta = h lambda, and a base method with y_new = R(zeta) y, one step multiplies (y, z) by a matrix of
determinant c, the coupling, and of trace::

    T(zeta) = 1 + c - (R(-zeta) - 1) (R(zeta) - c)

Its eigenvalues solve mu^2 - T mu + c = 0; for R = exp they are exp(zeta) and c exp(-zeta). Both lie in the disc of
radius rho where T lies in the ellipse that T = mu + c / mu traces for |mu| = rho::

    G = (Re T / (rho + c / rho))^2 + (Im T / (rho - c / rho))^2 - 1 <= 0

On a ray G is a real polynomial in |zeta|. The region is a strip around a part of the imaginary axis, about 1 - c wide
to either side. In the strict sense, rho = 1, that part is a single point: below |zeta| = sqrt(1 - c) steps on the axis
grow by some 1e-12, which nobody will ever see. So a little growth is allowed.

Source: the step is that of McCallum, Foster, *Efficient, accurate and stable gradients for neural ODEs* (2024), arXiv
2410.11648; trace, determinant and ellipse follow from it and are derived here.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from math import sqrt

import numpy as np

from .polynomial import Polynomial, add, multiply, polynomial, scale
from .stability import first_growth

GROWTH = Fraction(1, 10**10)
"""rho - 1: a factor e in ten thousand million steps."""
REAL = 1e-6
"""Roots whose imaginary part is this small against their modulus are real ones that rounding has split."""
BEYOND = 1e-5
"""How far, relatively, behind a root the sign is looked at."""


class CouplingStability:
    """The zeta = h lambda for which equal steps do not grow; the attributes are those of other stability regions.

    Args:
        r: R(zeta), lowest power first.
        coupling: c.
    """

    def __init__(self, r: Polynomial, coupling: Fraction) -> None:
        mirrored = polynomial(value if k % 2 == 0 else -value for k, value in enumerate(r))
        one, c = polynomial([1]), polynomial([coupling])
        product = multiply(add(mirrored, scale(one, Fraction(-1))), add(r, scale(c, Fraction(-1))))
        self.trace = add(add(one, c), scale(product, Fraction(-1)))
        rho = 1 + GROWTH
        self.coupling = coupling
        self._axes = rho + coupling / rho, rho - coupling / rho

    @cached_property
    def real_interval(self) -> float:
        """Largest x such that [-x, 0] belongs to the region."""
        mirrored = polynomial(value if k % 2 == 0 else -value for k, value in enumerate(self.trace))
        return first_growth(add(multiply(mirrored, mirrored), polynomial([-(self._axes[0] ** 2)])))

    @cached_property
    def imaginary_interval(self) -> float:
        """Largest y such that [-iy, iy] belongs to the region."""
        along, across = self._axes
        even = polynomial(value if k % 2 == 0 else -value for k, value in enumerate(self.trace[0::2]))
        odd = polynomial(value if k % 2 == 0 else -value for k, value in enumerate(self.trace[1::2]))
        squares = add(
            scale(multiply(even, even), 1 / along**2),
            scale(multiply(polynomial([0, 1]), multiply(odd, odd)), 1 / across**2),
        )
        return sqrt(first_growth(add(squares, polynomial([-1]))))  # a polynomial in y^2

    def exit_radii(self, angles: np.ndarray) -> np.ndarray:
        """First radius (M,) outside on rays into the left half plane, `angles` (M,) away from the imaginary axis."""
        along, across = (float(axis) for axis in self._axes)
        k = np.arange(len(self.trace))
        # (-sin(a) + i cos(a))^k = i^k (cos(k a) + i sin(k a)): no digit of a small angle is lost
        turn, on_ray = np.array([1, 1j, -1, -1j])[k % 4], np.multiply.outer(angles, k)
        cosine, sine = np.cos(on_ray), np.sin(on_ray)
        trace = np.array([float(value) for value in self.trace])
        real, imaginary = (trace * (part.real * cosine - part.imag * sine) for part in (turn, -1j * turn))
        growth = np.array(
            [np.convolve(a, a) + np.convolve(b, b) for a, b in zip(real / along, imaginary / across, strict=True)]
        )
        growth[:, 0] = float(((1 + self.coupling) / self._axes[0]) ** 2 - 1)
        return _first_positive(growth)


def _first_positive(growth: np.ndarray) -> np.ndarray:
    """Smallest radius (M,) behind which polynomials (M, d + 1), lowest power first, are positive."""
    roots = np.stack([np.polynomial.polynomial.polyroots(row) for row in growth])
    radii = np.where((np.abs(roots.imag) <= REAL * np.abs(roots)) & (roots.real > 0), roots.real, np.nan)
    behind = np.polynomial.polynomial.polyval(radii.T * (1 + BEYOND), growth.T[:, None], tensor=False).T
    return np.where(behind > 0, radii, np.inf).min(axis=1)
