"""Eigenvalues nearest to a point of the plane, by factorising the shifted matrix."""

from __future__ import annotations

import numpy as np

from fieldsolver.errors import OptionError

from .dense_spectrum import dense_spectrum
from .krylov_schur import SMALLEST_KRYLOV
from .linearisation import DENSE_LIMIT, Linearisation
from .spectrum import Spectrum, duals, measured, taken

MAX_SPARSE = 300_000


def shift_invert(lin: Linearisation, sigma: float, count: int = 6, *, tol: float = 1e-10) -> Spectrum:
    """The `count` eigenvalues nearest to `sigma`, by Arnoldi on ``(J - sigma)^-1``.

    Finds what lies in the midst of a spectrum or near zero of a stiff operator, where products alone take thousands. A
    pair that oscillates fast is far from any real `sigma`: the rightmost value need not be among the nearest.

    Args:
        sigma: a real point that is no eigenvalue.

    Raises:
        OptionError: there is no sparse matrix (`Linearisation.sparse`), or it is too large to factorise.
    """
    matrix = lin.sparse()
    if lin.size < max(SMALLEST_KRYLOV, 2 * count + 4) or (matrix is None and lin.size <= DENSE_LIMIT):
        spectrum = dense_spectrum(lin)
        return taken(spectrum, np.sort(np.argsort(np.abs(spectrum.values - sigma), kind="stable")[:count]))
    if matrix is None or lin.size > MAX_SPARSE:
        raise OptionError(
            f"shift_invert needs the sparse matrix of a declared, real, local equation with at most {MAX_SPARSE} "
            f"unknowns, got {lin.size} unknowns{'' if matrix is not None else ' and no such matrix'}; use krylov_schur"
        )
    return _nearest(lin, matrix, sigma, count, tol)


def _nearest(lin: Linearisation, matrix: object, sigma: float, count: int, tol: float) -> Spectrum:
    from scipy.sparse import csc_array, eye_array
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs, splu

    try:
        factors = splu(csc_array(matrix) - sigma * eye_array(lin.size, format="csc"))
    except RuntimeError as failure:
        raise OptionError(f"sigma = {sigma:g} is an eigenvalue ({failure}); take a point beside it") from None

    def pairs(transposed: str, wanted: int) -> tuple[np.ndarray, np.ndarray]:
        solve = LinearOperator((lin.size, lin.size), matvec=lambda v: factors.solve(v.ravel(), transposed), dtype=float)
        try:
            inverse, vectors = eigs(solve, k=wanted, which="LM", v0=lin.random_vector(seed=1), tol=tol)
        except ArpackNoConvergence as failure:
            inverse, vectors = failure.eigenvalues, failure.eigenvectors
        return sigma + 1 / inverse, vectors

    values, right = pairs("N", count)
    others, left = pairs("T", count + 2)
    vectors = duals(values, right, others.conj(), left, 1e-9 * lin.norm)
    found = len(values)
    reason = "" if found == count else f"{found} of {count} eigenvalues nearest to {sigma:g} converged"
    return measured(lin, values, right, vectors, tol=tol, route="shift-invert", reason=reason)
