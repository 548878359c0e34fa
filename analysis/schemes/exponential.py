"""Exponential integrators for y' = lambda_2 y + lambda_1 y: the linear part exactly, the rest by a Runge-Kutta idea.

With z_1 = dt lambda_1 (the nonlinear part, linearised), z_2 = dt lambda_2 and::

    phi_0 = exp,   phi_(k+1)(z) = (phi_k(z) - 1/k!) / z

Limits of the step are found by looking, as these factors are not algebraic.

Source: Cox, Matthews, *Exponential time differencing for stiff systems*, J. Comput. Phys. 176 (2002) 430-455; Krogstad,
J. Comput. Phys. 203 (2005) 72-88, eq. (51); Lawson, SIAM J. Numer. Anal. 4 (1967) 372-380.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import factorial

import numpy as np

from .scan import empirical_step
from .scheme import Complex, Floats, StepBound

SERIES_WITHIN = 1.0
"""Modulus up to which phi_k are summed as series; beyond, the recurrence loses less."""
SERIES_TERMS = 22

Factor = Callable[[Complex, Complex], Complex]


@dataclass(frozen=True, eq=False)
class ExponentialScheme:
    """See `Scheme` for the attributes; `formula` is the factor."""

    name: str
    order: float
    evaluations: int
    source: str
    formula: Factor
    family: str = "exponential"
    parts: tuple[str, ...] = ("nonlinear", "linear")
    solves: int = 0

    def factor(self, *z: Complex) -> Complex:
        """See `Scheme`."""
        nonlinear, linear = (np.asarray(value, dtype=complex) for value in z)
        with np.errstate(over="ignore", invalid="ignore"):
            return self.formula(nonlinear, linear)

    def growth(self, *z: Complex) -> Floats:
        """The modulus of the factor."""
        return np.abs(self.factor(*z))

    def largest_step(self, *eigenvalues: Complex) -> StepBound:
        """By looking; exact where the nonlinear part is absent and the linear one decays. See `Scheme`."""
        nonlinear, linear = eigenvalues
        if not np.any(nonlinear) and (np.real(linear) <= 0).all():
            return StepBound(np.inf, -1, "exact")
        return empirical_step(self.parts, self.growth, *eigenvalues)

    def facts(self) -> Mapping[str, float | bool]:
        """The intervals of the nonlinear part alone, that is of the underlying Runge-Kutta method."""
        zero = np.zeros(1, dtype=complex)
        real, imaginary = (self.largest_step(np.array([mode]), zero).dt for mode in (-1.0 + 0j, 1j))
        return {"real_interval": real, "imaginary_interval": imaginary, "l_stable": True}


def phi(k: int, z: Complex) -> Complex:
    """phi_k(z), k from 0 to 3, to round-off."""
    if k == 0:
        return np.exp(z)
    small = np.abs(z) < SERIES_WITHIN
    inside = np.where(small, z, 0.0)
    series = np.zeros_like(inside)
    for j in range(SERIES_TERMS, -1, -1):
        series = series * inside + 1 / factorial(j + k)
    outside = np.where(small, 1.0, z)
    return np.where(small, series, (phi(k - 1, outside) - 1 / factorial(k - 1)) / outside)


def _etd1(n: Complex, linear: Complex) -> Complex:
    return phi(0, linear) + n * phi(1, linear)


def _etdrk2(n: Complex, linear: Complex) -> Complex:
    a = _etd1(n, linear)
    return a + phi(2, linear) * n * (a - 1)


def _weights(linear: Complex) -> tuple[Complex, Complex, Complex]:
    """Of the first, of the sum of the middle two, and of the last stage in ETDRK4 and Krogstad's method."""
    one, two, three = (phi(k, linear) for k in (1, 2, 3))
    return one - 3 * two + 4 * three, 2 * two - 4 * three, 4 * three - two


def _etdrk4(n: Complex, linear: Complex) -> Complex:
    half = phi(0, linear / 2)
    slope = n / 2 * phi(1, linear / 2)
    a = half + slope
    b = half + slope * a
    c = half * a + slope * (2 * b - 1)
    first, middle, last = _weights(linear)
    return phi(0, linear) + n * (first + middle * (a + b) + last * c)


def _krogstad(n: Complex, linear: Complex) -> Complex:
    half, one, two = (phi(k, linear / 2) for k in (0, 1, 2))
    a = half + n / 2 * one
    b = half + n * (one / 2 - two + two * a)
    c = phi(0, linear) + n * (phi(1, linear) - 2 * phi(2, linear) + 2 * phi(2, linear) * b)
    first, middle, last = _weights(linear)
    return phi(0, linear) + n * (first + middle * (a + b) + last * c)


def _lawson4(n: Complex, linear: Complex) -> Complex:
    full, half = phi(0, linear), phi(0, linear / 2)
    a = half * (1 + n / 2)
    b = half + n / 2 * a
    c = full + half * n * b
    return full + n / 6 * (full + 2 * half * (a + b) + c)


def exponential_catalogue() -> Mapping[str, ExponentialScheme]:
    """The exponential integrators of the literature."""
    cox = "Cox, Matthews, J. Comput. Phys. 176 (2002), "
    schemes = [
        ExponentialScheme("etd1", 1, 1, cox + "eq. (4)", _etd1),
        ExponentialScheme("etdrk2", 2, 2, cox + "eqs. (20)-(22)", _etdrk2),
        ExponentialScheme("etdrk4", 4, 4, cox + "eqs. (26)-(29)", _etdrk4),
        ExponentialScheme("krogstad", 4, 4, "Krogstad, J. Comput. Phys. 203 (2005), eq. (51)", _krogstad),
        ExponentialScheme("lawson4", 4, 4, "Lawson, SIAM J. Numer. Anal. 4 (1967)", _lawson4),
    ]
    return {scheme.name: scheme for scheme in schemes}
