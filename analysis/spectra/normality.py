"""How far a Jacobian is from normal."""

from __future__ import annotations

import numpy as np

from .linearisation import DENSE_LIMIT, Linearisation


def non_normality(lin: Linearisation, *, probes: int = 8, seed: int = 7) -> float:
    """``|J J^T - J^T J|_F / |J|_F^2``: 0 for a normal matrix, whose eigenvalues tell all; at most sqrt 2.

    Beyond 1500 unknowns both norms are estimated from `probes` random vectors (their squares without bias).
    """
    if lin.size <= DENSE_LIMIT:
        matrix = lin.dense()
        commutator = matrix @ matrix.T - matrix.T @ matrix
        size = float(np.linalg.norm(matrix)) ** 2
        return float(np.linalg.norm(commutator)) / size if size else 0.0
    vectors = np.random.default_rng(seed).standard_normal((lin.size, probes))
    images = lin.product(vectors)
    difference = lin.product(lin.transpose_product(vectors)) - lin.transpose_product(images)
    size = float(np.sum(images**2)) / probes
    return float(np.sqrt(np.sum(difference**2) / probes)) / size if size else 0.0
