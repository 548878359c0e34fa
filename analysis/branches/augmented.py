"""Minimally augmented systems: an equilibrium together with a scalar that vanishes where its stability changes.

The scalar g is the last entry of the solution of a bordered system (W. Govaerts, Numerical Methods for Bifurcations of
Dynamical Equilibria, SIAM 2000, chapters 3 and 4)::

    [ A  b ] [ v ]   [ 0 ]
    [ c* 0 ] [ g ] = [ 1 ]

It vanishes with det A and is as smooth as A: ``A = J`` at a fold, ``J - i omega`` at a Hopf point, ``J + 1`` where a
map doubles its period. Newton's method is applied to F and g together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .family import Family

ITERATIONS = 40
RESIDUAL = 1e-12
UNFOLDED = 1e-10
"""What is left of the unfolding at a branch point."""
SINGULAR = 1e-13
"""Singular values below this share of the largest are zero."""
SURE = 1e-6
"""An error beyond this share says that the augmented system is all but singular."""
KINDS = ("hopf", "fold", "branch", "period_doubling")


@dataclass(frozen=True)
class Point:
    """A point at which stability changes.

    Attributes:
        kind: one of `KINDS`.
        u: the equilibrium or fixed point ``(n,)``.
        p: the parameter.
        omega: angular frequency at a Hopf point, else 0.
        residual: of the augmented system.
        error: bound on the error of u and p to first order: norm of the inverse Jacobian times residual and round-off;
            infinite where that Jacobian is singular.
    """

    kind: str
    u: Tensor
    p: float
    omega: float
    residual: float
    error: float

    @property
    def place(self) -> tuple[Tensor, float]:
        """The state and the parameter."""
        return self.u, self.p

    @property
    def is_simple(self) -> bool:
        """Whether its place is known, because the augmented system is regular."""
        return self.error <= SURE * (1 + abs(self.p))


def solve_point(family: Family, kind: str, u: Tensor, p: float, omega: float = 0.0) -> Point | None:
    """Newton's method for one kind of point; None where it does not reach a residual of 1e-12.

    Args:
        family: F(u, p); a map for period doubling.
        kind: one of `KINDS`.
        u: the start ``(n,)``.
        p: the start of the parameter.
        omega: the start of the frequency of a Hopf point.
    """
    try:
        return _solved(family, kind, _packed(family, kind, u, p, omega))
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]  # documented, but left out of its stubs
        return None  # a border regularises one vanishing eigenvalue: here are more, and the point is not simple


def _solved(family: Family, kind: str, x: Tensor) -> Point | None:
    for _ in range(ITERATIONS):
        system = _system(family, kind, x)
        G, DG = system(x), torch.func.jacfwd(system)(x)
        if not bool(torch.isfinite(DG).all()):
            return None
        step = torch.linalg.lstsq(DG, G[:, None], driver="gelsd").solution[:, 0]
        x = x - step
        if float(step.abs().max()) <= 4e-16 * (1 + float(x.abs().max())):
            break
    return _finished(family, kind, x)


def _finished(family: Family, kind: str, x: Tensor) -> Point | None:
    if not bool(torch.isfinite(x).all()):
        return None
    system = _system(family, kind, x)
    G, DG = system(x), torch.func.jacfwd(system)(x)
    residual = float(G.abs().max())
    size = 1 + float(x.abs().max())
    if not residual <= RESIDUAL * size:
        return None
    n = family.size
    if kind == "branch" and not abs(float(x[n + 1])) <= UNFOLDED * size:
        return None  # Newton's method bent the equation until it branched
    singular = torch.linalg.svdvals(DG)
    smallest = float(singular[-1]) if float(singular[-1]) > SINGULAR * float(singular[0]) else 0.0
    error = (residual + 2.2e-16 * float(DG.abs().max()) * size) / smallest if smallest else math.inf
    omega = abs(float(x[n + 1])) if kind == "hopf" else 0.0
    if kind == "hopf" and omega <= 1e-7 * float(DG.abs().max()):
        return None  # a neutral pair of real eigenvalues that meet at zero is no Hopf point
    return Point(kind, x[:n].clone(), float(x[n]), omega, residual, error)


def _packed(family: Family, kind: str, u: Tensor, p: float, omega: float) -> Tensor:
    extra = {"hopf": [omega], "branch": [0.0]}.get(kind, [])
    return torch.cat([u.to(torch.float64), torch.tensor([p, *extra], dtype=torch.float64)])


def _system(family: Family, kind: str, x: Tensor) -> Callable[[Tensor], Tensor]:
    """F and g as a function of the unknowns; the border is made of the null vectors at `x`."""
    n = family.size
    shift = {"hopf": -1j * float(x[n + 1]) if kind == "hopf" else 0.0, "period_doubling": 1.0}.get(kind, 0.0)
    identity = torch.eye(n, dtype=torch.complex128 if kind == "hopf" else torch.float64)
    left, _, right = torch.linalg.svd(family.jacobian(x[:n], x[n]).detach() + shift * identity)
    b, c = left[:, -1], right[-1].conj()

    def hopf(x: Tensor) -> Tensor:
        u, p = x[:n], x[n]
        A = family.jacobian(u, p) + 0j - 1j * x[n + 1] * identity
        g = _bordered(A, b, c)[-1]
        return torch.cat([family(u, p), g.real[None], g.imag[None]])

    def fold(x: Tensor) -> Tensor:
        u, p = x[:n], x[n]
        return torch.cat([family(u, p), _bordered(family.jacobian(u, p), b, c)[-1:]])

    def branch(x: Tensor) -> Tensor:
        """With the unfolding ``F + e b = 0`` and ``w.F_p = 0`` (G. Moore, 1980): a fold alone is singular here."""
        u, p, e = x[:n], x[n], x[n + 1]
        J = family.jacobian(u, p)
        w = _bordered(J.mT, c, b)[:-1]
        return torch.cat([family(u, p) + e * b, _bordered(J, b, c)[-1:], (w @ family.along(u, p))[None]])

    def doubling(x: Tensor) -> Tensor:
        u, p = x[:n], x[n]
        g = _bordered(family.jacobian(u, p) + identity, b, c)[-1:]
        return torch.cat([family(u, p) - u, g])

    return {"hopf": hopf, "fold": fold, "branch": branch, "period_doubling": doubling}[kind]


def _bordered(A: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """``(v, g)`` of the bordered system."""
    n = len(b)
    top = torch.cat([A, b[:, None]], dim=1)
    bottom = torch.cat([c.conj(), torch.zeros(1, dtype=c.dtype)])[None]
    right = torch.zeros(n + 1, dtype=A.dtype)
    right[n] = 1.0
    return torch.linalg.solve(torch.cat([top, bottom]), right)
