"""Growth rates along a ray: the eigenvalues of the symbol, and the exact derivatives of the fastest one.

With right and left eigenvectors x_j and y_j normalised to ``y_j^H x_i = delta_ij``::

    sigma_j'  = y_j^H L' x_j
    sigma_j'' = y_j^H L'' x_j + 2 sum_{m != j} (y_j^H L' x_m)(y_m^H L' x_j) / (sigma_j - sigma_m)

(T. Kato, Perturbation Theory for Linear Operators, chapter II, section 2).
"""

from __future__ import annotations

import numpy as np

from .numbers import ROUND_OFF, Complex, Floats
from .symbol import Ray


def growth_rates(ray: Ray, kappa: Floats) -> Complex:
    """All eigenvalues ``(K, W)`` at every kappa, the fastest growing first; conjugate pairs stay beside each other."""
    return sorted_rates(np.linalg.eigvals(ray.matrices(kappa)[0]))


def sorted_rates(values: Complex) -> Complex:
    """Sorted along the last axis by real part, downwards; equal ones by imaginary part, the positive first."""
    size = np.abs(values).max(-1, keepdims=True)
    real = np.round(values.real / np.where(size > 0, size, 1), 12)  # partners of a pair differ by round-off
    order = np.lexsort((-values.imag, -real), axis=-1)
    return np.take_along_axis(values, order, axis=-1)


def noise(ray: Ray, kappa: Floats) -> Floats:
    """What is zero for a growth rate at every kappa, ``(K,)``."""
    return ROUND_OFF * ray.sizes(kappa)


def branch_jet(ray: Ray, kappa: complex, near: complex | None = None) -> tuple[complex, complex, complex]:
    """A growth rate and its first two derivatives by kappa.

    Args:
        ray: the symbol along a direction.
        kappa: the wave number, real or complex.
        near: the eigenvalue closest to it is taken; None takes the one of largest real part.
    """
    L, L1, L2 = ray.matrices(np.array([kappa]), 2)[:, 0]
    values, right = np.linalg.eig(L)
    left = _inverse(right)  # rows are the conjugated left eigenvectors
    j = int(np.lexsort((-values.imag, -values.real))[0]) if near is None else int(np.argmin(np.abs(values - near)))
    first = left @ L1 @ right
    gaps = values[j] - values
    apart = np.abs(gaps) > ROUND_OFF * max(float(np.abs(values).max()), 1e-300)
    mixed = sum(first[j, m] * first[m, j] / gaps[m] for m in np.flatnonzero(apart))
    return complex(values[j]), complex(first[j, j]), complex((left @ L2 @ right)[j, j] + 2 * mixed)


class Leading:
    """The fastest growing branch, as functions whose roots are sought."""

    def __init__(self, ray: Ray) -> None:
        self.ray = ray

    def value(self, kappa: float) -> complex:
        """The growth rate."""
        return complex(growth_rates(self.ray, np.array([kappa]))[0, 0])

    def rate(self, kappa: float) -> tuple[float, float]:
        """Real part and its slope: vanishes at the edge of a band."""
        value, slope, _ = branch_jet(self.ray, kappa)
        return value.real, slope.real

    def slope(self, kappa: float) -> tuple[float, float]:
        """Slope of the real part and its derivative: vanishes where growth is fastest."""
        _, slope, curvature = branch_jet(self.ray, kappa)
        return slope.real, curvature.real


def _inverse(matrix: Complex) -> Complex:
    try:
        return np.linalg.inv(matrix)
    except np.linalg.LinAlgError:  # a defective matrix has no basis of eigenvectors
        return np.linalg.pinv(matrix)
