"""All eigenvalues of a small Jacobian."""

from __future__ import annotations

import numpy as np

from .linearisation import Linearisation
from .spectrum import Spectrum, duals, measured

SYMMETRY = 1e-14
CLUSTER = 1e-9
"""Relative to the norm, eigenvalues this near to each other share their left vectors."""


def dense_spectrum(lin: Linearisation) -> Spectrum:
    """All eigenvalues with left and right vectors, by QR (LAPACK); by the symmetric QR where J is symmetric.

    Raises:
        OptionError: there are more than 1500 unknowns.
    """
    from scipy.linalg import eig, eigh

    matrix = lin.dense()
    if np.abs(matrix - matrix.T).max() <= SYMMETRY * max(np.abs(matrix).max(), np.finfo(np.float64).tiny):
        values, vectors = eigh((matrix + matrix.T) / 2)
        right = left = vectors.astype(np.complex128)
        values = values.astype(np.complex128)
    else:
        values, left, right = eig(matrix, left=True, right=True)
        left = duals(values, right, values, left, CLUSTER * lin.norm)
    return measured(lin, values, right, left, tol=1e-10, route="dense", complete=True)
