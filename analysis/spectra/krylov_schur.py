"""Eigenvalues at the edges of the spectrum of a Jacobian that is known by its products only."""

from __future__ import annotations

from typing import Any

import numpy as np

from fieldsolver.errors import OptionError, listing

from .arnoldi import ritz_pairs
from .dense_spectrum import dense_spectrum
from .linearisation import Linearisation
from .spectrum import Complex, Spectrum, duals, measured, taken
from .unknowns import Floats

EDGES = ("LM", "LR", "SR", "LI")
SMALLEST_KRYLOV = 60
"""Below this many unknowns an iteration has nothing to gain."""


def krylov_schur(
    lin: Linearisation,
    count: int = 6,
    which: str = "LM",
    *,
    tol: float = 1e-8,
    max_products: int = 5000,
    left: bool = True,
) -> Spectrum:
    """A few eigenvalues of largest modulus, largest or smallest real part, or largest imaginary part.

    Implicitly restarted Arnoldi (ARPACK; Lehoucq, Sorensen, Yang 1998, equivalent to Krylov-Schur) from a fixed random
    start, for the edges in the real part on ``J + |J|``: a shift changes no Krylov space, and makes the stopping rule
    relative to the norm of J in place of to eigenvalues that may be zero. What did not converge is returned with its
    true residual.

    Args:
        count: how many; fewer where the iteration finds fewer.
        which: ``"LM"``, ``"LR"``, ``"SR"`` or ``"LI"``.
        tol: of the residual, relative to the norm of J.
        max_products: products with J that may be spent, and again as many with its transpose.
        left: find left vectors too, for the conditions; left out where J is not differentiable.
    """
    if which not in EDGES:
        raise OptionError(f"which is one of {listing(EDGES)}, got {which!r}")
    if not (count >= 1 and tol > 0 and max_products >= 1):
        raise OptionError(f"count, tol and max_products are positive, got {count}, {tol}, {max_products}")
    if lin.size < max(SMALLEST_KRYLOV, 2 * count + 4):
        return chosen(dense_spectrum(lin), which, count)
    values, right, problem = _edge(lin, lin.product, count, which, tol, max_products)
    vectors = _left_vectors(lin, values, right, which, tol, max_products) if left and lin.differentiable else None
    return measured(lin, values, right, vectors, tol=tol, route="krylov", reason=problem)


def _left_vectors(
    lin: Linearisation, values: Complex, right: Complex, which: str, tol: float, max_products: int
) -> Complex:
    """The right vectors themselves where J is normal as far as they tell, else those of an iteration with J^T."""
    unit = right / np.linalg.norm(right, axis=0)
    ahead = np.linalg.norm(lin.product(unit) - unit * values, axis=0)
    back = np.linalg.norm(lin.transpose_product(unit) - unit * values.conj(), axis=0)
    # Of a normal matrix the two are equal for every vector and value, however poorly they converged.
    if bool(np.all(back <= 2 * ahead + 100 * lin.precision * lin.norm)):
        return unit
    others, vectors, _ = _edge(lin, lin.transpose_product, len(values) + 2, which, tol, max_products)
    return duals(values, unit, others.conj(), vectors, max(100 * tol, 1e-9) * lin.norm)


def distance_from_edge(values: Complex, which: str) -> Floats:
    """What is smallest at an edge."""
    match which:
        case "LM":
            return -np.abs(values)
        case "LR":
            return -values.real
        case "SR":
            return values.real
    return -np.abs(values.imag)


def chosen(spectrum: Spectrum, which: str, count: int) -> Spectrum:
    """The `count` values of a spectrum at one edge."""
    order = np.argsort(distance_from_edge(spectrum.values, which), kind="stable")
    return taken(spectrum, np.sort(order[:count]))


def _edge(
    lin: Linearisation, product: Any, count: int, which: str, tol: float, max_products: int
) -> tuple[Complex, Complex, str]:
    """Eigenvalues, vectors, and a sentence if fewer converged than asked."""
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs

    if lin.norm == 0:
        return np.zeros(count, dtype=np.complex128), np.eye(lin.size, count, dtype=np.complex128), ""
    shift = 0.0 if which == "LM" else lin.norm
    basis = min(max(4 * count, 40), lin.size - 1)

    def shifted(v: np.ndarray) -> Any:
        return product(v.ravel()) + shift * v.ravel()

    operator = LinearOperator((lin.size, lin.size), matvec=shifted, dtype=float)
    restarts = max(1, (max_products - basis) // (basis - count) + 1)
    try:
        values, vectors = eigs(
            operator, k=count, which=which, v0=lin.random_vector(seed=1), ncv=basis, tol=tol, maxiter=restarts
        )
        return values - shift, vectors, ""
    except ArpackNoConvergence as failure:
        reached = len(failure.eigenvalues)
        problem = f"{reached} of {count} eigenvalues {which} converged within {max_products} products"
        if reached:
            return failure.eigenvalues - shift, failure.eigenvectors, problem
        values, vectors = ritz_pairs(product, lin.random_vector(seed=1), basis)
        best = np.argsort(distance_from_edge(values, which))[:count]
        return values[best], vectors[:, best], problem
