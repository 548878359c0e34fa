"""The edges of a spectrum by the best route there is for its size."""

from __future__ import annotations

import numpy as np

from fieldsolver.errors import OptionError

from .arnoldi import ritz_pairs
from .dense_spectrum import dense_spectrum
from .krylov_schur import distance_from_edge
from .linearisation import Linearisation
from .shift_invert import shift_invert
from .spectrum import Complex, Spectrum, measured

DENSE_ENOUGH = 600
FACTORISABLE = 40_000
SAME = 1e-6


def spectrum_of(
    lin: Linearisation,
    count: int = 6,
    *,
    steps: int = 100,
    tol: float = 1e-4,
    dense_limit: int = DENSE_ENOUGH,
    factorise_limit: int = FACTORISABLE,
) -> Spectrum:
    """All eigenvalues of a small Jacobian; of a large one those at its left, right, upper and outer edges.

    The edges are Ritz values of one run of Arnoldi: about as many products as steps, and true residuals, which may be
    a percent of the norm where the spectrum is crowded; `krylov_schur` goes on to a tolerance. The right end is found
    by shift-invert where the matrix can be factorised: of a stiff operator it is too fine for products alone.

    Args:
        count: how many at each edge.
        steps: of Arnoldi.
        tol: residual relative to the norm of J below which a value counts as converged.
        dense_limit: unknowns up to which all eigenvalues are computed.
        factorise_limit: unknowns up to which the right end is found by factorising.
    """
    if lin.size <= dense_limit:
        return dense_spectrum(lin)
    values, right = _ritz_edges(lin, count, steps)
    note, route = "Ritz values of one Krylov space", "krylov"
    left = np.full_like(right, np.nan)
    if lin.differentiable:
        left = _left_where_normal(lin, values, right)
    if lin.size <= factorise_limit:
        try:
            end = shift_invert(lin, max(float(values.real.max()), 0.0) + 1e-3 * lin.norm, count)
        except OptionError as refusal:
            note += f"; the right end is not refined: {refusal}"
        else:
            keep = [i for i in range(values.size) if not _among(values[i], right[:, i], end, SAME * lin.norm)]
            values = np.concatenate([values[keep], end.values])
            right = np.concatenate([right[:, keep], np.asarray(end.right)], axis=1)
            left = np.concatenate([left[:, keep], np.asarray(end.left)], axis=1)
            route = "krylov+shift-invert"
    return measured(lin, values, right, left, tol=tol, route=route, reason=note)


def _ritz_edges(lin: Linearisation, count: int, steps: int) -> tuple[Complex, Complex]:
    """The Ritz pairs at any of the edges, each once."""
    values, vectors = ritz_pairs(lin.product, lin.random_vector(seed=1), steps)
    chosen: set[int] = set()
    for which in ("LM", "LR", "SR", "LI"):
        chosen.update(int(i) for i in np.argsort(distance_from_edge(values, which), kind="stable")[:count])
    index = sorted(chosen)
    return values[index], vectors[:, index]


def _left_where_normal(lin: Linearisation, values: Complex, right: Complex) -> Complex:
    """Right vectors that are left vectors as well as they are right ones; NaN for the others."""
    unit = right / np.linalg.norm(right, axis=0)
    ahead = np.linalg.norm(lin.product(unit) - unit * values, axis=0)
    back = np.linalg.norm(lin.transpose_product(unit) - unit * values.conj(), axis=0)
    left: Complex = np.where(back <= 2 * ahead + 100 * lin.precision * lin.norm, unit, np.nan)
    return left


def _among(value: complex, vector: Complex, found: Spectrum, near: float) -> bool:
    """Whether a pair is one of those found, whose residuals are smaller."""
    close = np.flatnonzero(np.abs(found.values - value) <= np.maximum(near, 1e3 * found.residuals))
    return any(abs(np.vdot(vector, np.asarray(found.right)[:, k])) > 0.5 * np.linalg.norm(vector) for k in close)
