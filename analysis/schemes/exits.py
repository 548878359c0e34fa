"""Where rays from 0 leave the region |P/Q| <= 1: roots of the E-polynomial in floating point, many rays at once.

On z = r d the E-polynomial E(r) = |Q|^2 - |P|^2 is real with E(0) = 0. Its coefficients up to the order p are those of
|Q|^2 (1 - exp(2 r Re d)), which keeps digits where d is almost imaginary and sums of squares would cancel.

Source: Hairer, Wanner II (1996), section IV.3, eq. (3.8).
"""

from __future__ import annotations

from math import factorial

import numpy as np

from fieldsolver.methods.polynomial import Polynomial

from .scheme import Complex, Floats

REAL = 1e-7
"""Roots whose imaginary part is this small against their modulus are real ones that rounding has split."""
BEYOND = 1e-6
"""How far, relatively, behind a root the sign is looked at."""


def exit_radii(p: Polynomial, q: Polynomial, order: int, directions: Complex) -> Floats:
    """First radius (M,) at which |P/Q| exceeds 1; infinite where it never does.

    Args:
        p: numerator, lowest power first.
        q: denominator, likewise.
        order: of P/Q as an approximation of exp.
        directions: (M,) of modulus 1, none of them imaginary.
    """
    square_p, square_q = _squares(p, directions), _squares(q, directions)
    length = max(square_p.shape[1], square_q.shape[1])
    growth = _padded(square_q, length) - _padded(square_p, length)
    known = min(order, length - 1)
    decay = np.stack([-((2 * directions.real) ** k) / factorial(k) for k in range(known + 1)], axis=1)
    decay[:, 0] = 0.0
    for k in range(1, known + 1):
        width = min(k + 1, square_q.shape[1])
        growth[:, k] = sum(square_q[:, j] * decay[:, k - j] for j in range(width))
    growth = growth[:, 1:]  # the zero factor
    roots = _roots(growth)
    radii = np.where((np.abs(roots.imag) <= REAL * np.abs(roots)) & (roots.real > 0), roots.real, np.inf)
    with np.errstate(invalid="ignore", over="ignore"):
        behind = np.polynomial.polynomial.polyval(radii.T * (1 + BEYOND), growth.T[:, None], tensor=False).T
    first = np.where(behind < 0, radii, np.inf).min(axis=1, initial=np.inf)
    return np.where(directions.real > 0, 0.0, first)


def _squares(p: Polynomial, directions: Complex) -> Floats:
    """(M, 2 deg + 1) coefficients of |p(r d)|^2 in r."""
    powers = directions[:, None] ** np.arange(len(p))
    on_ray = np.array([float(value) for value in p]) * powers
    return np.array([np.convolve(row, row.conj()).real for row in on_ray]).reshape(len(directions), 2 * len(p) - 1)


def _padded(rows: Floats, length: int) -> Floats:
    return np.pad(rows, ((0, 0), (0, length - rows.shape[1])))


def _roots(polynomials: Floats) -> Complex:
    """(M, d) roots, lowest power first; leading coefficients that all vanish are dropped."""
    while polynomials.shape[1] > 1 and not polynomials[:, -1].any():
        polynomials = polynomials[:, :-1]
    degree = polynomials.shape[1] - 1
    if degree < 1:
        return np.empty((len(polynomials), 0), dtype=complex)
    with np.errstate(divide="ignore", invalid="ignore"):
        last = -polynomials[:, -2::-1] / polynomials[:, -1:]
    companion = np.zeros((len(polynomials), degree, degree))
    companion[:, 1:, :-1] = np.eye(degree - 1)
    companion[:, 0] = np.nan_to_num(last, nan=0.0, posinf=0.0, neginf=0.0)
    return np.asarray(np.linalg.eigvals(companion), dtype=complex)
