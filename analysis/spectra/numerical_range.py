"""The numerical range (field of values) of a Jacobian: ``x^H J x`` over all unit vectors x.

It is convex and holds all eigenvalues, and it says what eigenvalues alone do not when J is not normal: the largest real
part, the numerical abscissa, is the rate at which some perturbation grows at first. Every polynomial p of J obeys
``|p(J)| <= (1 + sqrt 2) max |p|`` over it (Crouzeix and Palencia 2017), and so does a rational function without poles
in it: where it lies in the stability region of a method, no power of a step exceeds that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldsolver.errors import OptionError

from .lanczos import Ends, ends
from .linearisation import Linearisation
from .spectrum import Complex
from .unknowns import Floats

DENSE_RANGE = 400
"""Unknowns up to which the rotated matrices are diagonalised."""


@dataclass(frozen=True)
class NumericalRange:
    """The numerical range between an inner and an outer polygon.

    Attributes:
        theta: angles ``(m,)``, evenly over the circle.
        support: ``max Re(e^(i theta) z)`` over the range, from below.
        support_hi: the same from above.
        points: points of the range ``(m,)`` where the supports are reached; their hull lies inside.
        corners: corners ``(m,)`` of the outer polygon, whose hull contains the range.
        abscissa, abscissa_hi: the numerical abscissa ``max Re z`` from below and above, the logarithmic norm of J.
        certificate: ``"bounded"`` to round-off where the rotated matrices were diagonalised; ``"statistical"`` where
            the outer polygon holds with the probability `confidence`; ``"empirical"`` where products are differences.
        confidence: that the outer polygon contains the range.
    """

    theta: Floats
    support: Floats
    support_hi: Floats
    points: Complex
    corners: Complex
    abscissa: float
    abscissa_hi: float
    certificate: str
    confidence: float

    @property
    def radius_hi(self) -> float:
        """No point of the range lies further from 0."""
        return float(np.abs(self.corners).max())


def numerical_range(
    lin: Linearisation, angles: int = 64, *, tol: float = 0.02, confidence: float = 1 - 1e-6, seed: int = 5
) -> NumericalRange:
    """Boundary points and supporting lines from the ends of the spectra of ``(e^(it) J + e^(-it) J^T)/2``.

    Args:
        angles: number of directions, a multiple of 4; a quarter of them is computed (J is real).
        tol: for large J, margin of each supporting line relative to the width of the range.
        confidence: for large J, that all margins hold.
        seed: of the random starts.

    Raises:
        OptionError: an option is out of range, or products with the transpose are not to be had.
    """
    if angles < 4 or angles % 4:
        raise OptionError(f"angles is a multiple of 4, at least 4; got {angles}")
    if not (0 < tol < 0.25 and 0 < confidence < 1):
        raise OptionError(f"tol lies between 0 and 0.25 and confidence between 0 and 1, got {tol} and {confidence}")
    quarter = np.arange(angles // 4 + 1) * (2 * np.pi / angles)
    doubt = (1 - confidence) / (2 * quarter.size)
    rng = np.random.default_rng(seed)
    found = [_rotated(lin, float(angle), tol, doubt, rng) for angle in quarter]
    theta = 2 * np.pi * np.arange(angles) / angles
    support, margin, points = np.zeros(angles), np.zeros(angles), np.zeros(angles, dtype=np.complex128)
    for k, end in enumerate(found):
        images = _rayleigh(lin, end.vectors)
        # The range of a real matrix is its own mirror image: h(-t) = h(t). The other end belongs to t + pi.
        for place, value, image in (
            (k, end.highest, images[1]),
            (-k, end.highest, images[1].conj()),
            (angles // 2 + k, -end.lowest, images[0]),
            (angles // 2 - k, -end.lowest, images[0].conj()),
        ):
            support[place % angles], margin[place % angles], points[place % angles] = value, end.margin, image
    upper = support + margin
    dense = lin.size <= DENSE_RANGE
    return NumericalRange(
        theta=theta,
        support=support,
        support_hi=upper,
        points=points,
        corners=_corners(theta, upper),
        abscissa=float(support[0]),
        abscissa_hi=float(upper[0]),
        certificate="empirical" if not lin.differentiable else "bounded" if dense else "statistical",
        confidence=1.0 if dense else confidence,
    )


def enclosing_points(lin: Linearisation, angles: int = 16, **options: Any) -> Complex:
    """Points ``(angles,)`` whose convex hull contains the numerical range, and so every eigenvalue.

    A method whose stability region contains the hull of ``dt`` times these points multiplies no perturbation by more
    than 1 + sqrt 2, however many steps are taken; that is sufficient, not necessary.
    """
    return numerical_range(lin, angles, **options).corners


def _rotated(lin: Linearisation, angle: float, tol: float, doubt: float, rng: np.random.Generator) -> Ends:
    turn = complex(math.cos(angle), math.sin(angle))
    if lin.size <= DENSE_RANGE:
        matrix = turn * lin.dense()
        values, vectors = np.linalg.eigh((matrix + matrix.conj().T) / 2)
        rounding = 10 * lin.size * lin.precision * float(np.abs(values).max())
        return Ends(float(values[0]), float(values[-1]), rounding, vectors[:, [0, -1]])

    def apply(v: NDArray[Any]) -> NDArray[Any]:
        return (turn * lin.product(v) + turn.conjugate() * lin.transpose_product(v)) / 2

    def symmetric_part(v: NDArray[Any]) -> NDArray[Any]:
        return (lin.product(v) + lin.transpose_product(v)) / 2

    start = rng.standard_normal(lin.size)
    if angle == 0:
        return ends(symmetric_part, start, relative=tol, doubt=doubt)
    # Complex directions count as real ones of twice the dimension.
    return ends(apply, start + 1j * rng.standard_normal(lin.size), relative=tol, doubt=doubt / 2)


def _rayleigh(lin: Linearisation, vectors: NDArray[Any]) -> Complex:
    quotients: Complex = np.sum(vectors.conj() * lin.product(vectors), axis=0) + 0j
    return quotients


def _corners(theta: Floats, support: Floats) -> Complex:
    """Where neighbouring supporting lines ``cos(t) x - sin(t) y = h`` cross."""
    after, beyond = np.roll(theta, -1), np.roll(support, -1)
    crossing = np.sin(after - theta)
    x = (support * np.sin(after) - beyond * np.sin(theta)) / crossing
    y = (support * np.cos(after) - beyond * np.cos(theta)) / crossing
    corners: Complex = x + 1j * y
    return corners
