"""Whether all edges of bands are known: the growth rate of one component is a polynomial, whose roots are counted."""

from __future__ import annotations

import numpy as np

from .bands import Relation
from .numbers import Floats
from .symbol import Ray

REAL = 1e-7
"""Roots whose imaginary part is smaller than this share of them are real; a double root is split by the square root of
round-off."""


def certificate(curve: Relation) -> str:
    """``"exact"`` where every edge is a root of a polynomial and none is missing, else ``"empirical"``: sampled."""
    roots = _edges(curve.ray)
    if roots is None:
        return "empirical"
    found = {edge for band in curve.bands for edge in (band.low, band.high) if 0 < edge < np.inf}
    known = sorted(found)
    same = len(known) == len(roots) and all(abs(a - b) <= REAL * b for a, b in zip(known, roots, strict=True))
    return "exact" if same else "empirical"


def _edges(ray: Ray) -> Floats | None:
    """Positive kappa at which the growth rate of a single branch changes sign; None where it is no polynomial."""
    powers = {p: float(matrix[0, 0].real) for p, matrix in ray.powers().items()}
    if ray.symbol.waves > 1 or ray.kernels or any(not float(p).is_integer() for p in powers):
        return None
    coefficients = np.zeros(int(max(powers, default=0)) + 1)
    for p, value in powers.items():
        coefficients[int(p)] = value
    if not coefficients.any():
        return np.zeros(0)
    roots = np.roots(coefficients[::-1])
    real = np.sort(roots.real[(np.abs(roots.imag) <= REAL * np.abs(roots)) & (roots.real > 0)])
    middles = np.concatenate([real[:1] / 2, (real[1:] + real[:-1]) / 2, 2 * real[-1:]])
    signs = np.sign(np.polyval(coefficients[::-1], middles))
    return real[signs[1:] != signs[:-1]] if len(real) else real
