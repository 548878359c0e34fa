"""Eigenvalues of graph Laplacians, and bounds on them."""

from __future__ import annotations

from typing import Any

import numpy as np

DENSE = 1500
"""Up to this many vertices all eigenvalues are computed from the dense matrix: a second, and none is missed."""


def lowest_combinatorial(edges: np.ndarray, degree: np.ndarray, directed: bool) -> float:
    """A number below the real part of every eigenvalue of ``A - D``.

    Undirected: ``-max (d_i + d_j)`` over the edges, which is Gershgorin's theorem for the matrix ``-G G^T W`` on the
    edges; it has the same non-zero eigenvalues (W. Anderson, T. Morley, Linear and Multilinear Algebra 18 (1985) 141,
    here with weights). Directed: Gershgorin's discs about ``-d_i`` with radius ``d_i``.
    """
    if not len(edges):
        return 0.0
    return -float(2 * degree.max() if directed else degree[edges].sum(axis=1).max())


def symmetric_spectrum(matrix: Any, count: int) -> np.ndarray:
    """The `count` eigenvalues nearest zero of a symmetric matrix without positive ones, from zero downwards."""
    import scipy.linalg
    import scipy.sparse.linalg

    size = matrix.shape[0]
    if size <= DENSE or count > size // 4:
        values = scipy.linalg.eigvalsh(matrix.toarray())
    else:
        # Lanczos on (L - s)^-1 with s just above the spectrum: L itself is singular.
        shift = 1e-3 * (scipy.sparse.linalg.norm(matrix, np.inf) or 1.0)
        values = scipy.sparse.linalg.eigsh(
            matrix.tocsc(), count, sigma=shift, v0=_start(size), return_eigenvectors=False, maxiter=100 * size
        )
    return np.sort(values)[::-1][:count].copy()


def general_spectrum(matrix: Any, count: int) -> np.ndarray:
    """The `count` eigenvalues of largest real part of any matrix, complex, by falling real part."""
    import scipy.linalg

    values = scipy.linalg.eigvals(matrix.toarray())
    return values[np.lexsort((values.imag, -values.real))][:count].copy()


def _start(size: int) -> np.ndarray:
    """A starting vector that is the same at every call and no eigenvector of anything."""
    return np.random.default_rng(0).standard_normal(size)
