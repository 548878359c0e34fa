"""The z = dt lambda for which steps of a method do not grow, and where rays from 0 leave them."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import numpy as np

from fieldsolver.methods import ButcherTableau, ExplicitRungeKutta, Method
from fieldsolver.stepping.compiled_method import CompiledMethod

NEVER = 1e300
KEPT = 64
"""Methods whose regions are remembered."""


class StabilityRegion(Protocol):
    """The z = dt lambda for which a step does not grow.

    Attributes:
        real_interval: largest x such that [-x, 0] belongs to it.
        imaginary_interval: largest y such that [-iy, iy] belongs to it.
    """

    @property
    def real_interval(self) -> float: ...
    @property
    def imaginary_interval(self) -> float: ...

    def __hash__(self) -> int: ...

    def exit_radii(self, angles: np.ndarray) -> np.ndarray:
        """First radius (M,) outside on rays into the left half plane, `angles` (M,) away from the imaginary axis."""
        ...


class _RungeKuttaRegion:
    """Where ``|R(z)| <= 1``."""

    def __init__(self, tableau: ButcherTableau) -> None:
        self.real_interval = tableau.real_interval
        self.imaginary_interval = tableau.imaginary_interval
        self._coefficients = np.array([float(c) for c in tableau.stability_polynomial()])

    def exit_radii(self, angles: np.ndarray) -> np.ndarray:
        """First radius at which ``|R|`` exceeds 1.

        ``|R(r e^(i phi))|^2 - 1`` is a real polynomial in r with the factor r; what is left starts at
        ``2 cos(phi) < 0``.
        """
        directions = -np.sin(angles) + 1j * np.cos(angles)
        on_ray = self._coefficients * directions[:, None] ** np.arange(self._coefficients.size)
        growth = np.array([np.convolve(row, row.conj()).real[1:] for row in on_ray])
        growth[:, 0] = -2 * np.sin(angles)  # exactly: the sum above loses it to rounding near the axis
        roots = _roots(growth)
        radii = np.where((np.abs(roots.imag) <= 1e-7 * np.abs(roots)) & (roots.real > 0), roots.real, np.nan)
        beyond = np.polynomial.polynomial.polyval(radii.T * (1 + 1e-6), growth.T[:, None], tensor=False).T
        # |R| grows without bound, so some root is an exit if the polynomial has a positive degree.
        return np.where(beyond > 0, radii, NEVER).min(axis=1, initial=NEVER)


def _roots(polynomials: np.ndarray) -> np.ndarray:
    """(M, d) roots of M polynomials (M, d + 1), lowest power first: eigenvalues of their companion matrices."""
    degree = polynomials.shape[1] - 1
    companion = np.zeros((len(polynomials), degree, degree))
    companion[:, 1:, :-1] = np.eye(degree - 1)
    companion[:, 0] = -polynomials[:, -2::-1] / polynomials[:, -1:]
    return np.linalg.eigvals(companion)


@lru_cache(KEPT)
def stability_region(method: Method) -> StabilityRegion | None:
    """The region of a method: that of its tableau, or what it knows itself; None if its steps change its formula."""
    if isinstance(method, CompiledMethod):
        return stability_region(method.base)
    if isinstance(method, ExplicitRungeKutta):
        return _RungeKuttaRegion(method.tableau)
    region: StabilityRegion | None = getattr(method, "stability", None)
    return region


@lru_cache(KEPT)
def exit_table(region: StabilityRegion) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of angles to the imaginary axis, rising to that of pi/2, and of the first radii outside.

    They are logarithmic, because close to that axis the exit can vary without bound.
    """
    angles = np.concatenate([np.geomspace(1e-14, 1e-2, 100)[:-1], np.geomspace(1e-2, np.pi / 2, 300)])
    return np.log(angles), np.log(np.maximum(region.exit_radii(angles), 1 / NEVER))  # reversible_heun leaves at once
