"""Schemes whose step is algebra: the roots of a characteristic polynomial with rational coefficients.

One step of ``y' = sum_k lambda_k y`` with z_k = dt lambda_k multiplies the solution by a root zeta of::

    chi(zeta) = sum_j c_j(z) zeta^j = 0,     j = 0..n

n = 1 for Runge-Kutta methods, where c_1 = Q, c_0 = -P and zeta = P/Q; the number of steps for multistep methods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np

from .boundary import first_growth
from .ray import Ray, Terms, along
from .scan import TOLERANCE, scan_exits
from .scheme import Complex, Floats, StepBound
from .search import largest_step

NEGLIGIBLE = 1e-30
"""Far below what the rounding of eigenvalues leaves; the digits of smaller numbers would cost seconds."""


@dataclass(frozen=True, eq=False)
class CharacteristicScheme:
    """See `Scheme` for the attributes.

    Attributes:
        chi: c_0 .. c_n, polynomials in z_1, z_2, ...
        known: facts that do not follow from chi: ssp, stage_order, alpha ...
        slack: defects of this size come from rounded coefficients; 0: they are exact.
    """

    name: str
    family: str
    order: float
    evaluations: int
    solves: int
    source: str
    chi: tuple[Terms, ...]
    parts: tuple[str, ...] = ("f",)
    known: Mapping[str, float | bool] = field(default_factory=dict)
    slack: Fraction = Fraction(0)

    def factors(self, *z: Complex) -> Complex:
        """All roots, (n, *shape); infinite at a pole."""
        return _roots([_value(terms, z) for terms in self.chi])

    def factor(self, *z: Complex) -> Complex:
        """The root next to exp(sum z), which is the principal one as long as the step resolves anything."""
        roots = self.factors(*z)
        if len(roots) == 1:
            return roots[0]
        exact = np.exp(np.sum(np.broadcast_arrays(*z), axis=0))
        nearest = np.argmin(np.abs(roots - exact), axis=0)
        return np.take_along_axis(roots, nearest[None], axis=0)[0]

    def growth(self, *z: Complex) -> Floats:
        """The largest modulus among the roots."""
        return np.abs(self.factors(*z)).max(axis=0)

    def grows(self, *z: Complex) -> np.ndarray:
        """Whether a root exceeds 1 by more than the tolerance of scans: Schur's reduction, faster than roots."""
        return _outside([_value(terms, z) * (1 + TOLERANCE) ** j for j, terms in enumerate(self.chi)])

    def exits(self, directions: Complex) -> Floats:
        """First unstable radius (M,) on rays through `directions` (M,), to rounding (to the tolerance of scans)."""
        return scan_exits(self.grows, directions)

    @property
    def alpha(self) -> float:
        """Degrees; 0 where none is known."""
        return 0.0

    def largest_step(self, *eigenvalues: Complex) -> StepBound:
        """From exact arithmetic for the binding mode; see `Scheme`."""
        return largest_step(self, *eigenvalues)

    def exact_limit(self, *eigenvalue: complex) -> Fraction | None:
        """The largest stable step for one mode, whose floating-point numbers are taken as exact; None: infinite.

        Parts below `NEGLIGIBLE` times the modulus count as 0.
        """
        size = max(abs(value) for value in eigenvalue)
        unit = _power_of_two(size)
        directions = [(_part(value.real, size) / unit, _part(value.imag, size) / unit) for value in eigenvalue]
        limit = first_growth([along(terms, directions) for terms in self.chi], self.slack)
        return None if limit is None else limit / unit

    def on_ray(self, *directions: tuple[Fraction, Fraction]) -> list[Ray]:
        """c_0 .. c_n as exact polynomials in r, z_k = r directions[k]."""
        return [along(terms, directions) for terms in self.chi]

    @cached_property
    def real_interval(self) -> float:
        """Largest x with no growth on [-x, 0]; of the sum of the parts if there are several, all in the first."""
        return self._interval(-1.0)

    @cached_property
    def imaginary_interval(self) -> float:
        """Largest y with no growth on [-iy, iy]."""
        return self._interval(1j)

    def _interval(self, direction: complex) -> float:
        limit = self.exact_limit(direction, *[0j] * (len(self.parts) - 1))
        return np.inf if limit is None else float(limit)

    def facts(self) -> Mapping[str, float | bool]:
        """See `Scheme`."""
        axes = {"real_interval": self.real_interval, "imaginary_interval": self.imaginary_interval}
        return axes | dict(self.known)


def terms(*coefficients: Fraction | int) -> Terms:
    """A polynomial in one variable, lowest power first."""
    return {(k,): Fraction(value) for k, value in enumerate(coefficients) if value}


def _value(polynomial: Terms, z: Sequence[Complex]) -> Complex:
    shape = np.broadcast_shapes(*(np.shape(value) for value in z))
    if len(z) == 1:
        dense = np.zeros(max((e[0] for e in polynomial), default=0) + 1)
        for (exponent,), coefficient in polynomial.items():
            dense[exponent] = float(coefficient)
        return np.polynomial.polynomial.polyval(np.asarray(z[0], dtype=complex), dense)
    total = np.zeros(shape, dtype=complex)
    for exponents, coefficient in polynomial.items():
        term = np.full(shape, float(coefficient), dtype=complex)
        for value, exponent in zip(z, exponents, strict=True):
            term = term * np.asarray(value) ** exponent
        total += term
    return total


def _outside(coefficients: Sequence[Complex]) -> np.ndarray:
    """Whether a root lies on or outside the unit circle."""
    p = np.stack(np.broadcast_arrays(*coefficients)).astype(complex)
    outside = ~np.isfinite(p).all(axis=0)
    p = np.where(outside, 1.0, p)
    while len(p) > 1:
        outside |= np.abs(p[0]) >= np.abs(p[-1])
        size = np.abs(p).max(axis=0)
        p = p / np.where(size > 0, size, 1.0)
        p = (p[-1].conj() * p - p[0] * p[::-1].conj())[1:]
    return outside


def _roots(coefficients: Sequence[Complex]) -> Complex:
    """All roots of polynomials of degree n, (n, *shape); where the leading coefficient vanishes one is infinite."""
    values = np.stack(np.broadcast_arrays(*coefficients)).astype(complex)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        monic = values[:-1] / values[-1]
        monic[:, ~np.isfinite(monic).all(axis=0)] = np.inf
        if len(monic) == 1:
            return -monic
        if len(monic) == 2:
            return _quadratic(*monic)
    n, shape = len(monic), monic.shape[1:]
    flat = np.where(np.isfinite(monic), monic, 0).reshape(n, -1)
    companion = np.zeros((flat.shape[1], n, n), dtype=complex)
    companion[:, 1:, :-1] = np.eye(n - 1)
    companion[:, :, -1] = -flat.T
    roots = np.linalg.eigvals(companion).T.reshape(n, *shape)
    return np.where(np.isfinite(monic).all(axis=0), roots, np.inf)


def _quadratic(product: Complex, minus_sum: Complex) -> Complex:
    """Roots of zeta^2 + b zeta + c, the larger one first, the other from the product, so that nothing cancels."""
    middle = -minus_sum / 2
    spread = np.sqrt(middle**2 - product)
    large = np.where((middle * spread.conj()).real >= 0, middle + spread, middle - spread)
    small = np.where(large == 0, 0, product / np.where(large == 0, 1, large))
    broken = ~np.isfinite(product) | ~np.isfinite(minus_sum)
    return np.stack([np.where(broken, np.inf, large), np.where(broken, np.inf, small)])


def _part(value: float, size: float) -> Fraction:
    return Fraction(float(value)) if abs(value) > NEGLIGIBLE * size else Fraction(0)


def _power_of_two(size: float) -> Fraction:
    """Next to a modulus, so that scaling by it changes no digit."""
    exponent = int(np.frexp(size)[1])
    return Fraction(2) ** exponent
