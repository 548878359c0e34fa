"""Pseudospectra: where the resolvent ``(z - J)^-1`` is large, eigenvalues of perturbed Jacobians lie.

The epsilon-pseudospectrum is the set of z with ``|(z - J)^-1| > 1/epsilon``, which is the union of the spectra of all
``J + E`` with ``|E| < epsilon`` (Trefethen and Embree, Spectra and Pseudospectra, 2005, section 2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldsolver.errors import OptionError

from .arnoldi import arnoldi
from .lanczos import largest
from .linearisation import Linearisation
from .spectrum import Complex
from .unknowns import Floats

DENSE_RESOLVENT = 600
SVD_SIZE = 80
"""Up to this size singular values are computed outright."""
LANCZOS_STEPS = 40
PROJECTION = 80


@dataclass(frozen=True)
class Pseudospectrum:
    """The norm of the resolvent on a grid of the complex plane.

    Attributes:
        re, im: the grid, ``(a,)`` and ``(b,)``.
        resolvent_norm: ``|(z - J)^-1|``, ``(a, b)``; ``1 / (precision |J|)`` where it is larger, for round-off alone
            makes such a z an eigenvalue.
        route: ``"dense"``; or ``"projected"`` on a Krylov space, where the norms are bounds from below.
        certificate: ``"bounded"``; ``"empirical"`` where products are differences.
        reason: what is not complete; empty if all is.
    """

    re: Floats
    im: Floats
    resolvent_norm: Floats
    route: str
    certificate: str
    reason: str

    @property
    def epsilon(self) -> Floats:
        """The smallest perturbation that has z as an eigenvalue, ``(a, b)``."""
        return 1 / self.resolvent_norm


def pseudospectrum(
    lin: Linearisation, grid: tuple[Floats, Floats] | None = None, *, points: int = 40
) -> Pseudospectrum:
    """The norm of the resolvent on a grid.

    Up to 600 unknowns by inverse Lanczos on the Schur form (Lui 1997); beyond by the rectangular Hessenberg matrix of
    80 steps of Arnoldi, whose resolvent is never larger than that of J (Toh and Trefethen 1996).

    Args:
        grid: real and imaginary parts, increasing; None takes the box of the eigenvalues, widened by a third.
        points: along either axis, where `grid` is None.

    Raises:
        OptionError: the grid is empty or not finite.
    """
    values, resolvent = resolvent_of(lin)
    re, im = box(values, points) if grid is None else tuple(np.asarray(part, dtype=np.float64) for part in grid)
    if re.ndim != 1 or im.ndim != 1 or not (re.size and im.size and np.isfinite(re).all() and np.isfinite(im).all()):
        raise OptionError(f"grid is two lists of finite numbers, got shapes {re.shape} and {im.shape}")
    # The resolvent norm of a real matrix is the same at z and its conjugate.
    heights, back = np.unique(np.abs(im), return_inverse=True)
    norms = np.array([[resolvent(complex(x, y)) for y in heights] for x in re])[:, back]
    dense = lin.size <= DENSE_RESOLVENT
    return Pseudospectrum(
        re=re,
        im=im,
        resolvent_norm=norms,
        route="dense" if dense else "projected",
        certificate=lin.certificate,
        reason="" if dense else f"bounds from below, from a Krylov space of {PROJECTION} dimensions",
    )


def resolvent_of(lin: Linearisation) -> tuple[Complex, Callable[[complex], float]]:
    """Eigenvalues (or Ritz values), and the norm of the resolvent at a point, up to where round-off hides it."""
    ceiling = 1 / (lin.precision * max(lin.norm, float(np.finfo(np.float64).tiny)))
    if lin.size <= DENSE_RESOLVENT:
        from scipy.linalg import schur

        triangle, _ = schur(lin.dense(), output="complex")
        return np.diag(triangle).copy(), lambda z: min(_triangular(triangle, z), ceiling)
    _, hessenberg = arnoldi(lin.product, lin.random_vector(seed=2), PROJECTION)
    m = hessenberg.shape[1]
    identity = np.eye(m + 1, m)
    return np.linalg.eigvals(hessenberg[:m]), lambda z: min(
        _reciprocal(float(np.linalg.svd(z * identity - hessenberg, compute_uv=False)[-1])), ceiling
    )


def box(values: Complex, points: int) -> tuple[Floats, Floats]:
    """A grid around eigenvalues, symmetric about the real axis."""
    low, high, top = values.real.min(), values.real.max(), np.abs(values.imag).max()
    size = max(high - low, 2 * top, 1e-3 * float(np.abs(values).max()), 1e-12)
    margin = size / 3
    return np.linspace(low - margin, high + margin, points), np.linspace(-top - margin, top + margin, points)


def _triangular(triangle: Complex, z: complex) -> float:
    """One over the smallest singular value of ``z - T``."""
    from scipy.linalg import solve_triangular

    n = len(triangle)
    shifted = z * np.eye(n) - triangle
    if n <= SVD_SIZE:
        return _reciprocal(float(np.linalg.svd(shifted, compute_uv=False)[-1]))
    if not np.diag(shifted).all():
        return float("inf")

    def inverse_square(v: NDArray[Any]) -> NDArray[Any]:
        half = solve_triangular(shifted, v, trans="C", check_finite=False)
        whole: NDArray[Any] = solve_triangular(shifted, half, check_finite=False)
        return whole

    rng = np.random.default_rng(3)
    start = rng.standard_normal(n) + 1j * rng.standard_normal(n)
    return float(np.sqrt(largest(inverse_square, start, steps=LANCZOS_STEPS, settled=1e-6)[0]))


def _reciprocal(size: float) -> float:
    return 1 / size if size > 0 else float("inf")
