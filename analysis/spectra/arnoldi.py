"""The Arnoldi process: a Hessenberg matrix of an operator on a Krylov space."""

from __future__ import annotations

from typing import Any

import numpy as np

from .spectrum import Complex


def ritz_pairs(product: Any, start: Any, steps: int) -> tuple[Complex, Complex]:
    """Ritz values and vectors of one run of Arnoldi."""
    basis, hessenberg = arnoldi(product, start, steps)
    m = hessenberg.shape[1]
    values, small = np.linalg.eig(hessenberg[:m, :m])
    vectors: Complex = basis[:, :m] @ small.real + 1j * (basis[:, :m] @ small.imag)
    return values + 0j, vectors


def arnoldi(product: Any, start: Any, steps: int) -> tuple[Any, Any]:
    """Orthonormal basis ``(n, m + 1)`` and Hessenberg matrix ``(m + 1, m)`` with ``A V_m = V_(m+1) H``.

    Orthogonalised twice; ends early, with a last row of zeros, when the space is invariant.
    """
    n = start.size
    steps = min(steps, n)
    basis = np.zeros((n, steps + 1), dtype=start.dtype)
    hessenberg = np.zeros((steps + 1, steps), dtype=start.dtype)
    basis[:, 0] = start / np.linalg.norm(start)
    for k in range(steps):
        w = product(basis[:, k])
        size = np.linalg.norm(w)
        for _ in range(2):
            overlap = basis[:, : k + 1].conj().T @ w
            hessenberg[: k + 1, k] += overlap
            w = w - basis[:, : k + 1] @ overlap
        rest = np.linalg.norm(w)
        if rest <= 1e-14 * size or k + 1 == n:
            return basis[:, : k + 2], np.where(np.arange(k + 2)[:, None] > k, 0.0, hessenberg[: k + 2, : k + 1])
        hessenberg[k + 1, k] = rest
        basis[:, k + 1] = w / rest
    return basis, hessenberg
