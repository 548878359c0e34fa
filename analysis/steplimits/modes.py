"""The modes of a linearised right-hand side: what every route hands to the step limits."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..schemes.scheme import Complex, Floats
from .rates import RightHandSide

NEUTRAL = 1e-13
"""Real parts below this share of the fastest rate are rounding, and count as zero."""

SLOW = 1e-2
"""Share of its modulus below which the growth rate of a mode is slow, so that rounding may hide it in one step."""


@dataclass(frozen=True)
class Modes:
    """Eigenvalues, and the modes they belong to.

    Attributes:
        eigenvalues: ``(N,)``; real parts that are rounding are zero.
        theta: angles ``k h`` of the waves, ``(N, d)``; NaN where a mode is no wave.
        route: ``"symbol"``, ``"frozen symbol"``, ``"spectrum"``, ``"range"``.
        certificate: ``"exact"``, ``"bounded"``, ``"statistical"`` or ``"empirical"``.
        reason: what the certificate rests on, in one clause.
        vectors: the right and the left vector of a mode, ``(*shape)`` each, with ``sum(conj(left) * right) = 1``; None
            where none are known.
        radius: how far the true eigenvalues may lie from these, ``(N,)``.
        projected: for a part of the right-hand side, ``left^H J_part right`` of every mode, ``(N,)``, and whether the
            part leaves the modes as they are, so that these are its eigenvalues; None where no vectors are known.
        stencil: on one endless axis, of one component: ``lambda(theta) = sum_j w_j exp(i j theta)``, j -> w_j.
    """

    eigenvalues: Complex
    theta: Floats
    route: str
    certificate: str
    reason: str
    vectors: Callable[[int], tuple[Complex, Complex] | None]
    radius: Floats
    projected: Callable[[RightHandSide], tuple[Complex, bool]] | None = None
    stencil: Mapping[int, Fraction] | None = None

    @functools.cached_property
    def growing(self) -> np.ndarray:
        """Modes that grow in the equation itself, ``(N,)``: steps may let them grow too, see `growing_modes`."""
        return self.eigenvalues.real > self.radius

    @functools.cached_property
    def neutral(self) -> Complex:
        """The eigenvalues ``(N,)``; slow growth is taken away, and what grows fast is left out, as 0."""
        return self._with(np.asarray(1j * self.eigenvalues.imag, dtype=np.complex128))

    @functools.cached_property
    def mirrored(self) -> Complex:
        """The eigenvalues ``(N,)``; slow growth is taken for decay, and what grows fast is left out, as 0."""
        return self._with(-self.eigenvalues.conj())

    def _with(self, images: Complex) -> Complex:
        slow = self.eigenvalues.real <= SLOW * np.abs(self.eigenvalues)
        return np.where(self.growing, np.where(slow, images, 0.0), self.eigenvalues)

    @staticmethod
    def frontier(values: Complex) -> np.ndarray:
        """Positions of those decaying and neutral modes that can set a limit, for methods with real coefficients.

        Conjugate eigenvalues count once, and of those on one half axis only the farthest.
        """
        ends = {
            int(np.argmin(values.real * (values.imag == 0))),
            int(np.argmax(np.abs(values.imag) * (values.real == 0))),
        }
        oblique = np.flatnonzero((values.real != 0) & (values.imag != 0))
        folded = values[oblique].real + 1j * np.abs(values[oblique].imag)
        chosen = {*ends, *oblique[np.unique(folded, return_index=True)[1]].tolist()}
        return np.array(sorted(i for i in chosen if values[i] != 0), dtype=int)

    @functools.cached_property
    def rate(self) -> float:
        """The largest modulus."""
        return float(np.abs(self.eigenvalues).max(initial=0.0))


class NoModes(Exception):
    """A route does not apply; the message says why."""


def settled(eigenvalues: Complex, scale: float) -> Complex:
    """`eigenvalues` with parts that are rounding, beside the size `scale` of the operator, set to zero."""
    small = NEUTRAL * max(scale, 1e-300)
    real = np.where(np.abs(eigenvalues.real) <= small, 0.0, eigenvalues.real)
    imaginary = np.where(np.abs(eigenvalues.imag) <= small, 0.0, eigenvalues.imag)
    return real + 1j * imaginary


def leading_vector(matrix: Complex, eigenvalue: complex) -> tuple[Complex, Complex] | None:
    """Right and left eigenvector of a small matrix, left^H right = 1; None for an eigenvalue without a full set."""
    values, right = np.linalg.eig(matrix)
    position = int(np.argmin(np.abs(values - eigenvalue)))
    try:
        left = np.linalg.inv(right).conj().T
    except np.linalg.LinAlgError:
        return None
    if not np.linalg.cond(right) < 1e8:
        return None
    return right[:, position], left[:, position]
