"""Laplace's approximation: the inverse Hessian at the minimum, and what the data do not determine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .newton import FLAT, unit_size

INVOLVED = 0.05
"""An unknown with at least this share in a flat direction is not determined by the data."""


@dataclass(frozen=True)
class Laplace:
    """Uncertainty of P unknowns in the coordinates of the optimiser.

    Attributes:
        covariance: (P, P); NaN in the rows and columns of unknowns that are not determined, or held.
        determined: (P,) bool.
        notes: one sentence per direction that the data do not determine.
    """

    covariance: np.ndarray
    determined: np.ndarray
    notes: tuple[str, ...]

    @property
    def sd(self) -> np.ndarray:
        """Standard deviations (P,)."""
        return np.sqrt(np.diag(self.covariance))


def laplace(hessian: np.ndarray, labels: Sequence[str], held: Sequence[int] = ()) -> Laplace:
    """Invert the Hessian on the directions in which it is positive.

    Args:
        hessian: (P, P), of the negative log posterior.
        labels: P names, for the notes.
        held: unknowns taken as known (a noise scale below the accuracy of the solve).
    """
    free = np.setdiff1d(np.arange(len(labels)), np.asarray(held, dtype=int))
    block = hessian[np.ix_(free, free)]
    size = unit_size(block)
    eigenvalues, vectors = np.linalg.eigh(block / np.outer(size, size))
    steep = eigenvalues > FLAT
    inverse = (vectors[:, steep] / eigenvalues[steep]) @ vectors[:, steep].T / np.outer(size, size)
    clear = (np.abs(vectors[:, ~steep]) < INVOLVED).all(axis=1)
    determined = np.zeros(len(labels), dtype=bool)
    determined[free[clear]] = True
    covariance = np.full(hessian.shape, np.nan)
    covariance[np.ix_(determined, determined)] = inverse[np.ix_(clear, clear)]
    names = [labels[i] for i in free]
    flat = [(eigenvalues[i], vectors[:, i]) for i in np.flatnonzero(~steep)]
    return Laplace(covariance, determined, tuple(_sentence(value, vector, names) for value, vector in flat))


def _sentence(eigenvalue: float, vector: np.ndarray, names: Sequence[str]) -> str:
    involved = [names[i] for i in np.argsort(-np.abs(vector)) if abs(vector[i]) >= INVOLVED]
    shown = ", ".join(involved[:5]) + (f" and {len(involved) - 5} more" if len(involved) > 5 else "")
    what = f"the data do not determine {shown}" + ("" if len(involved) == 1 else " separately")
    return f"{what}: the Hessian is not positive definite in that direction (eigenvalue {eigenvalue:.1g}, scaled)"
