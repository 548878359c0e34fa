"""Modes out of the Jacobian's eigenvalues: all of them where they are few, the outermost ones where they are many."""

from __future__ import annotations

import numpy as np

from ..schemes.scheme import Complex, Floats
from ..spectra import Linearisation, Spectrum, spectrum_of
from .modes import Modes, NoModes
from .rates import Rates, RightHandSide

OUTERMOST = 12
"""Eigenvalues asked for at every end of a spectrum too large for all of them."""
FACTORISED = 4000
"""Unknowns up to which the growing end of a spectrum is found by factorising the matrix."""
TELLING = 0.1
"""Radii beyond this share of the fastest rate say nothing."""
CERTAIN = 1e-6
"""Radii beyond this share of the fastest rate are no certificate."""
CLUSTER = 1e-2
"""Eigenvalues nearer to each other than this share of the norm may be one, moved apart by rounding."""


def spectrum_modes(rates: Rates, lin: Linearisation) -> Modes:
    """Eigenvalues of the Jacobian with their radii.

    Raises:
        NoModes: none converged.
    """
    if not np.isfinite(lin.product(lin.random_vector(seed=0))).all():
        raise NoModes("the Jacobian at this state is not finite")
    found = spectrum_of(lin, count=OUTERMOST, factorise_limit=FACTORISED)
    radius = _radii(found)
    kept = np.flatnonzero(radius <= TELLING * np.abs(found.values).max(initial=0.0))
    if kept.size == 0:
        raise NoModes("no eigenvalue converged")
    radius = radius[kept]
    values = _settled(found.values[kept], radius)
    graph = rates.equation is not None and rates.equation.layout.graph is not None
    theta = np.full((kept.size, 0 if graph else max(lin.y.dim() - 1, 0)), np.nan)
    certificate, reason = _certificate(found, lin, radius)

    def vectors(position: int) -> tuple[Complex, Complex] | None:
        return _vectors(rates, lin, found, int(kept[position]))

    def projected(part: RightHandSide) -> tuple[Complex, bool]:
        return _projected(rates, part, [vectors(i) for i in range(kept.size)])

    return Modes(values, theta, "spectrum", certificate, reason, vectors, radius, projected)


def _settled(values: Complex, radius: Floats) -> Complex:
    """Values that may be zero are, and growth that may be none is; small discs settle the sign of decay as well."""
    values = np.where(np.abs(values) <= radius, 0.0, values)
    uncertain = np.abs(values.real) <= radius
    sharp = radius <= CERTAIN * np.abs(values).max(initial=0.0)
    return np.where(uncertain & (sharp | (values.real > 0)), 1j * values.imag, values)


def _radii(found: Spectrum) -> Floats:
    """Of the discs; where the condition is not known, the residual, which is right for normal matrices.

    First order fails where eigenvalues coincide and have too few vectors: in a cluster of m they move by the m-th root
    of a perturbation (L. Elsner, Linear Algebra Appl. 71 (1985) 77, for the whole matrix).
    """
    radius = np.where(np.isfinite(found.radii), found.radii, found.residuals)
    if not found.complete:
        return radius
    near = np.abs(found.values[:, None] - found.values) <= CLUSTER * found.norm
    roots = 2 * found.norm * (found.residuals / found.norm) ** (1 / near.sum(axis=1)) if found.norm > 0 else radius
    return np.where(
        radius > TELLING * np.abs(found.values).max(initial=0.0), np.maximum(roots, found.residuals), radius
    )


def _is_first_order(found: Spectrum) -> bool:
    """Whether every disc is small enough for its first order to tell."""
    known = found.radii[np.isfinite(found.radii)]
    return bool((known <= TELLING * np.abs(found.values).max(initial=0.0)).all())


def _certificate(found: Spectrum, lin: Linearisation, radius: Floats) -> tuple[str, str]:
    if not lin.differentiable:
        return "empirical", f"eigenvalues of difference quotients, because {lin.reason}"
    if not found.complete:
        return "statistical", "the outermost eigenvalues of one Krylov space; one further out may have been missed"
    if not _is_first_order(found):
        return "statistical", "all eigenvalues, some of which coincide and have too few vectors to be certain"
    if radius.max() > CERTAIN * np.abs(found.values).max():
        return "statistical", "all eigenvalues, some of them too sensitive to rounding to be certain"
    return "bounded", "all eigenvalues of the Jacobian, each within its residual disc"


def _vectors(rates: Rates, lin: Linearisation, found: Spectrum, position: int) -> tuple[Complex, Complex] | None:
    if found.right is None:
        return None
    right = found.right[:, position] + 0j
    # without a left vector the right one takes its place, as for normal operators: the shares still add up
    known = found.left is not None and np.isfinite(found.conditions[position])
    left = found.left[:, position] + 0j if found.left is not None and known else right
    overlap = left.conj() @ right
    if abs(overlap) < 1e-10:
        return None
    weight = lin.unknowns.roots**2  # vectors are sqrt(w) y: what multiplies y is sqrt(w) times what multiplies them
    return _complex_state(rates, lin, right), _complex_state(rates, lin, weight * left / overlap.conj())


def _complex_state(rates: Rates, lin: Linearisation, vector: Complex) -> Complex:
    """A complex vector as an array of the shape of `Rates`."""
    parts = [rates.real(lin.state_of(part)).cpu().numpy() for part in (vector.real.copy(), vector.imag.copy())]
    return np.asarray(parts[0] + 1j * parts[1])


def _projected(rates: Rates, part: RightHandSide, pairs: list[tuple[Complex, Complex] | None]) -> tuple[Complex, bool]:
    values = np.zeros(len(pairs), dtype=complex)
    exact = True
    for position, pair in enumerate(pairs):
        if pair is None:
            exact = False
            continue
        right, left = pair
        moved = apply(rates, part, right)
        values[position] = np.sum(left.conj() * moved)
        size = np.abs(moved).max(initial=0.0)
        exact &= bool(np.abs(moved - values[position] * right).max(initial=0.0) <= 1e-9 * max(size, 1e-300))
    return values, exact


def apply(rates: Rates, part: RightHandSide | None, vector: Complex) -> Complex:
    """``J_part v`` for one complex vector."""
    if not vector.imag.any():
        return rates.product(vector.real[None], part)[0] + 0j
    real, imaginary = rates.product(np.stack([vector.real, vector.imag]), part)
    return np.asarray(real + 1j * imaginary)
