"""What happens beside a point: how fast eigenvalues cross, and whether what bifurcates is stable.

With ``B(x, y)`` and ``C(x, y, z)`` the second and third derivatives of F, q and w right and left eigenvectors and
``<w, q> = 1`` (Yu. A. Kuznetsov, Elements of Applied Bifurcation Theory, equations 3.20, 5.39 and 5.50)::

    fold              a  = <w, B(q, q)>/2
    Hopf              l1 = Re[<w, C(q, q, q*)> - 2 <w, B(q, A^-1 B(q, q*))>
                              + <w, B(q*, (2 i omega - A)^-1 B(q, q))>]/(2 omega)
    period doubling   c  = <w, C(q, q, q)>/6 - <w, B(q, (A - 1)^-1 B(q, q))>/2
    transcritical     a  = <w, B(q, q)>/2
    pitchfork         c  = <w, C(q, q, q)>/6 - <w, B(q, A^+ B(q, q))>/2
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from ..modes.numbers import Array, Complex
from .augmented import Point
from .family import Family

MOST = 16
"""Above so many unknowns the third derivatives, n^4 numbers, are not formed."""
ZERO = 1e-8


@dataclass(frozen=True)
class NormalForm:
    """The lowest coefficients.

    Attributes:
        eigenvalues: of the Jacobian at the point ``(n,)``.
        transversality: d Re(lambda)/dp along the equilibrium; for a map d|lambda|/dp; at a fold ``<w, F_p>``.
        coefficient: see the module.
        criticality: ``"supercritical"``, ``"subcritical"``, ``"quadratic"`` (fold), ``"transcritical"``,
            ``"degenerate"``, or ``"unknown"``.
    """

    eigenvalues: Complex
    transversality: float
    coefficient: float
    criticality: str


def normal_form(family: Family, point: Point) -> NormalForm:
    """The coefficients at a point; unknown where several eigenvalues vanish at once."""
    try:
        return _simple(family, point)
    except np.linalg.LinAlgError:
        A = family.jacobian(point.u, torch.tensor(point.p, dtype=torch.float64)).numpy(force=True)
        return NormalForm(np.linalg.eigvals(A) + 0j, math.nan, math.nan, "degenerate")


def _simple(family: Family, point: Point) -> NormalForm:
    u, p = point.u, torch.tensor(point.p, dtype=torch.float64)
    A = family.jacobian(u, p).numpy(force=True)
    target = {"hopf": 1j * point.omega, "period_doubling": -1.0}.get(point.kind, 0.0)
    values, q, w = _eigenvectors(A, target)
    crossing = _crossing(family, point, A, q, w)
    if family.size > MOST:
        return NormalForm(values, crossing, math.nan, "unknown")
    B, C = family.second(u, p), family.third(u, p)
    coefficient = {"hopf": _hopf, "fold": _fold, "branch": _cubic, "period_doubling": _doubling}[point.kind](
        A, B, C, q, w, point.omega
    )
    return NormalForm(values, crossing, coefficient, _criticality(point, crossing, coefficient, B, C, q, w))


def _eigenvectors(A: Array, target: complex) -> tuple[Complex, Complex, Complex]:
    """Eigenvalues, and the right and left eigenvectors of the one nearest to a target."""
    values, right = np.linalg.eig(A)
    q = right[:, int(np.argmin(np.abs(values - target)))].astype(complex)
    adjoint, left = np.linalg.eig(A.T)
    w = left[:, int(np.argmin(np.abs(adjoint - np.conj(target))))].astype(complex)
    q = q / np.linalg.norm(q)
    if abs(complex(target).imag) == 0:
        q, w = q.real + 0j, w.real + 0j
    return values + 0j, q, w / np.conj(np.vdot(w, q))


def _crossing(family: Family, point: Point, A: Array, q: Complex, w: Complex) -> float:
    """``<w, (J_p + J_u u') q>`` with ``u' = -A^-1 F_p``."""
    u, p = point.u, torch.tensor(point.p, dtype=torch.float64)
    slope = family.along(u, p).numpy(force=True)
    if point.kind == "fold":
        return float(np.vdot(w, slope).real)
    if point.kind == "period_doubling":
        A = A - np.eye(len(A))
    inverse = _deflated(A, q, w) if point.kind == "branch" else np.linalg.inv(A)
    tangent = torch.as_tensor((-inverse @ slope).real)
    one = torch.ones((), dtype=torch.float64)
    change = torch.func.jvp(family.jacobian, (u, p), (tangent, one))[1].numpy(force=True)
    rate = complex(np.vdot(w, change @ q)).real
    return -rate if point.kind == "period_doubling" else rate


def _deflated(A: Array, q: Complex, w: Complex) -> Array:
    """The inverse of a singular matrix on what w does not see, with values that q does not see."""
    n = len(A)
    bordered = np.block([[A, w.real[:, None]], [q.real[None], np.zeros((1, 1))]])
    return np.linalg.inv(bordered)[:n, :n]


def _b(B: Array, x: Complex, y: Complex) -> Complex:
    return np.einsum("ijk,j,k->i", B, x, y)


def _hopf(A: Array, B: Array, C: Array, q: Complex, w: Complex, omega: float) -> float:
    conj, one = q.conj(), np.eye(len(A))
    cubic = np.einsum("ijkl,j,k,l->i", C, q, q, conj)
    mean = _b(B, q, np.linalg.solve(A, _b(B, q, conj)))
    double = _b(B, conj, np.linalg.solve(2j * omega * one - A, _b(B, q, q)))
    return float(np.vdot(w, cubic - 2 * mean + double).real / (2 * omega))


def _fold(A: Array, B: Array, C: Array, q: Complex, w: Complex, omega: float) -> float:
    return float(np.vdot(w, _b(B, q, q)).real / 2)


def _cubic(A: Array, B: Array, C: Array, q: Complex, w: Complex, omega: float) -> float:
    quadratic = np.vdot(w, _b(B, q, q)).real / 2
    if abs(quadratic) > ZERO * max(float(np.abs(B).max()), 1e-300):
        return float(quadratic)
    bent = _b(B, q, _deflated(A, q, w) @ _b(B, q, q))
    return float(np.vdot(w, np.einsum("ijkl,j,k,l->i", C, q, q, q) / 6 - bent / 2).real)


def _doubling(A: Array, B: Array, C: Array, q: Complex, w: Complex, omega: float) -> float:
    bent = _b(B, q, np.linalg.solve(A - np.eye(len(A)), _b(B, q, q)))
    return float(np.vdot(w, np.einsum("ijkl,j,k,l->i", C, q, q, q) / 6 - bent / 2).real)


def _criticality(point: Point, crossing: float, coefficient: float, B: Array, C: Array, q: Complex, w: Complex) -> str:
    kind = point.kind
    size = max(float(np.abs(B).max()), float(np.abs(C).max()), 1e-300)
    if abs(crossing) <= ZERO or not point.is_simple:
        return "degenerate"
    if kind == "branch" and abs(np.vdot(w, _b(B, q, q))) > ZERO * size:
        return "transcritical"
    if abs(coefficient) <= ZERO * size:
        return "degenerate"
    if kind == "fold":
        return "quadratic"
    grows = coefficient < 0 if kind == "period_doubling" else coefficient > 0
    return "subcritical" if grows else "supercritical"
