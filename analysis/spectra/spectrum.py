"""Eigenvalues with what is known of their errors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .linearisation import Linearisation
from .unknowns import Floats

Complex = NDArray[np.complex128]


@dataclass(frozen=True)
class Spectrum:
    """Some or all eigenvalues of a Jacobian.

    Attributes:
        values: eigenvalues ``(m,)``, largest real part first.
        right, left: unit eigenvectors ``(n, m)`` with ``A x = lambda x`` and ``y^H A = lambda y^H``; None if not asked.
        residuals: ``|A x - lambda x|``, not below what a product itself is off by.
        conditions: ``1 / |y^H x|``, at least 1: how many times a perturbation of the matrix moves the eigenvalue (to
            first order); NaN where left vectors are not known.
        converged: whether the residual reached the tolerance.
        complete: whether these are all eigenvalues.
        certificate: ``"bounded"``: each lies within its radius of an eigenvalue, to first order in the residual, and
            strictly so for a normal matrix; ``"empirical"`` where products are differences. Unless `complete`, no
            certificate says that an eigenvalue further out was not missed.
        route: ``"dense"``, ``"krylov"``, ``"shift-invert"`` or several of them.
        reason: what is not as asked; empty if all is.
        norm: an estimate of the norm of the matrix.
    """

    values: Complex
    right: Complex | None
    left: Complex | None
    residuals: Floats
    conditions: Floats
    converged: NDArray[np.bool_]
    complete: bool
    certificate: str
    route: str
    reason: str
    norm: float

    @property
    def radii(self) -> Floats:
        """Radii of the discs in which eigenvalues lie; infinite where the condition is not known."""
        return np.where(np.isnan(self.conditions), np.inf, self.conditions * self.residuals)

    @property
    def signs(self) -> NDArray[np.int64]:
        """The sign of each real part where it is certain, ``|Re lambda| > condition * residual``, else 0."""
        certain = np.abs(self.values.real) > self.radii
        return np.where(certain & (self.certificate != "empirical"), np.sign(self.values.real), 0).astype(np.int64)

    @property
    def rightmost(self) -> int:
        """Position of the value of largest real part."""
        return int(np.argmax(self.values.real))

    @property
    def largest(self) -> int:
        """Position of the value of largest modulus."""
        return int(np.argmax(np.abs(self.values)))

    @property
    def abscissa(self) -> float:
        """The largest real part."""
        return float(self.values.real.max())

    @property
    def radius(self) -> float:
        """The largest modulus."""
        return float(np.abs(self.values).max())


def measured(
    lin: Linearisation,
    values: Complex,
    right: Complex,
    left: Complex | None,
    *,
    tol: float,
    route: str,
    reason: str = "",
    complete: bool = False,
) -> Spectrum:
    """A spectrum out of eigenvectors: residuals by one more product each, never those that an iteration claims."""
    order = np.lexsort((values.imag, -values.real))
    values, right = values[order], _unit(right[:, order])
    residuals = _norms(lin.product(right) - right * values)
    conditions = np.full(values.size, np.nan)
    if left is not None:
        left = _unit(left[:, order])
        with np.errstate(divide="ignore"):
            conditions = np.maximum(1 / np.abs(np.sum(left.conj() * right, axis=0)), 1.0)
    # What a product itself is off by: round-off, or the truncation of differences.
    floor = lin.norm * (lin.precision if lin.differentiable else lin.precision ** (2 / 3))
    residuals = np.maximum(residuals, floor)
    return Spectrum(
        values=values,
        right=right,
        left=left,
        residuals=residuals,
        conditions=conditions,
        converged=residuals <= np.maximum(tol * lin.norm, 10 * floor),
        complete=complete,
        certificate=lin.certificate,
        route=route,
        reason=reason,
        norm=lin.norm,
    )


def taken(spectrum: Spectrum, index: Any) -> Spectrum:
    """Some of the values of a spectrum."""
    return replace(
        spectrum,
        values=spectrum.values[index],
        right=None if spectrum.right is None else spectrum.right[:, index],
        left=None if spectrum.left is None else spectrum.left[:, index],
        residuals=spectrum.residuals[index],
        conditions=spectrum.conditions[index],
        converged=spectrum.converged[index],
        complete=spectrum.complete and len(index) == spectrum.values.size,
    )


def duals(values: Complex, right: Complex, others: Complex, left: Complex, near: float) -> Complex:
    """For each right vector the left vector that is dual to it among those of nearby values; NaN where there is none.

    Of eigenvalues that (nearly) coincide any combination of the left vectors is one: y is that with ``y^H x = 1``
    and ``y^H x' = 0`` for the other right vectors x' of the cluster, whose length is the condition of the cluster.

    Args:
        values, right: eigenvalues ``(m,)`` and vectors ``(n, m)``.
        others, left: the same from the left, in any order.
        near: distance within which values belong together.
    """
    found = np.full(right.shape, np.nan, dtype=np.complex128)
    for i, value in enumerate(values):
        rows, columns = (np.flatnonzero(np.abs(some - value) <= near) for some in (values, others))
        if columns.size == 1 and rows.size == 1:
            found[:, i] = left[:, columns[0]]
        elif columns.size >= rows.size:
            wanted = (rows == i).astype(np.complex128)
            overlaps = right[:, rows].conj().T @ left[:, columns]
            found[:, i] = left[:, columns] @ np.linalg.lstsq(overlaps, wanted, rcond=None)[0]
    return found


def _unit(vectors: Complex) -> Complex:
    with np.errstate(invalid="ignore"):  # NaN marks a vector that is not known
        return vectors / np.maximum(_norms(vectors), np.finfo(np.float64).tiny)


def _norms(vectors: Complex) -> Floats:
    norms: Floats = np.linalg.norm(vectors, axis=0)
    return norms
