"""Stiffness of the full right-hand side at one state: extreme eigenvalues of its Jacobian by products with vectors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation

DENSE_LIMIT = 400
ARNOLDI_STEPS = 30


@dataclass(frozen=True)
class StateSpectrum:
    """Eigenvalues of the Jacobian at a state.

    Attributes:
        largest: the eigenvalue of largest modulus.
        rightmost: the eigenvalue of largest real part.
        method: how they were found; only ``"all eigenvalues"`` is complete, the other is an estimate.
    """

    largest: complex
    rightmost: complex
    method: str


def state_spectrum(equation: FieldEquation, y: Tensor, t: float = 0.0) -> StateSpectrum:
    """Extreme eigenvalues at the state `y` ``(C, *grid)`` of a real equation."""
    size = math.prod(equation.state_shape)
    jacobian = equation.jacobian()
    if size <= DENSE_LIMIT:
        matrix = jacobian.dense(t, y).cpu().numpy()
        moves = matrix.any(axis=1)  # nodes that are held, and cells outside a mask, are no unknowns
        values = np.linalg.eigvals(matrix[np.ix_(moves, moves)]) if moves.any() else np.zeros(1)
        return StateSpectrum(
            complex(values[np.argmax(np.abs(values))]), complex(values[np.argmax(values.real)]), "all eigenvalues"
        )
    ritz = _ritz_values(lambda v: jacobian.product(t, y, v), torch.zeros_like(y))
    return StateSpectrum(
        complex(ritz[np.argmax(np.abs(ritz))]),
        complex(ritz[np.argmax(ritz.real)]),
        f"Ritz values of {ARNOLDI_STEPS} Arnoldi steps, usually a few percent inside",
    )


def _ritz_values(product: Callable[[Tensor], Tensor], like: Tensor) -> np.ndarray:
    """Eigenvalues of the Hessenberg matrix of an Arnoldi process with a fixed random start."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(like.shape, generator=generator, dtype=like.dtype)
    basis = [start / start.norm()]
    hessenberg = np.zeros((ARNOLDI_STEPS + 1, ARNOLDI_STEPS))
    for step in range(ARNOLDI_STEPS):
        with torch.no_grad():
            vector = product(basis[step])
        for position, earlier in enumerate(basis):
            overlap = float((earlier * vector).sum())
            hessenberg[position, step] = overlap
            vector = vector - overlap * earlier
        norm = float(vector.norm())
        hessenberg[step + 1, step] = norm
        if norm <= 1e-12 * abs(hessenberg[: step + 1, step]).max():
            return np.linalg.eigvals(hessenberg[: step + 1, : step + 1])
        basis.append(vector / norm)
    return np.linalg.eigvals(hessenberg[:ARNOLDI_STEPS])
