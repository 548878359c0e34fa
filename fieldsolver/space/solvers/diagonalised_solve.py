"""L is a sum of one-dimensional matrices, one for each axis: diagonalise each once, then multiply by matrices.

The fast diagonalisation method: R. E. Lynch, J. R. Rice & D. H. Thomas, Numer. Math. 6 (1964) 185-199. With
``A = V Λ V^-1`` on each axis, ``L = A_x ⊗ 1 + 1 ⊗ A_y + ...`` is diagonal in ``V_x ⊗ V_y ⊗ ...``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from fieldsolver.errors import OptionError

from .factor_cache import FactorCache, versions
from .implicit import solve_implicitly
from .protocol import Shift, check_shape, double_of, in_precision_of
from .transform_solve import kronecker_sum_eigenvalues, reciprocal

# The eigenvectors lose as many digits as their condition number has; the other solvers here do without them.
LARGEST_CONDITION = 1e4


class EigenBasis(NamedTuple):
    """``A = vectors · diag(values) · inverse``, in double precision."""

    values: torch.Tensor
    vectors: torch.Tensor
    inverse: torch.Tensor


class DiagonalisedSolve:
    """Robin walls, summation by parts, non-uniform and Chebyshev axes: any A that can be diagonalised.

    Cost: 2 Σ N_a multiplications a point and solve, as matrix products; one eigendecomposition for each axis, once.

    Args:
        matrices: A of each axis ``(N, N)``, in the order of the axes; their gradients are found too.
        norms: for each axis the weights ``(N,)`` of an inner product in which A is symmetric (``w_i A_ij = w_j A_ji``;
            quadrature weights, cell sizes), which makes V orthogonal up to scaling; None where there is none.

    Raises:
        OptionError: a matrix is not square, not symmetric in its norm, or its eigenvectors are dependent to half of
            the digits (condition number above 1e4); found at the first solve, or by `prepare`.
    """

    name = "diagonalised"

    def __init__(self, matrices: Sequence[torch.Tensor], norms: Sequence[torch.Tensor | None] | None = None) -> None:
        self.matrices = tuple(matrices)
        self.norms = tuple(norms) if norms is not None else (None,) * len(self.matrices)
        if len(self.norms) != len(self.matrices):
            raise OptionError(f"norms needs one entry for each of the {len(self.matrices)} axes, got {len(self.norms)}")
        for A in self.matrices:
            if A.dim() != 2 or A.shape[0] != A.shape[1]:
                raise OptionError(f"each axis needs a square matrix, got one of shape {tuple(A.shape)}")
        self.shape = tuple(A.shape[0] for A in self.matrices)
        self.reason = f"L is a sum of {len(self.matrices)} one-dimensional matrices: eigenbases of each axis"
        self._bases: FactorCache[list[EigenBasis]] = FactorCache()
        self._cast: FactorCache[list[EigenBasis]] = FactorCache()
        self._reciprocals: FactorCache[torch.Tensor] = FactorCache()

    @property
    def factorisations(self) -> int:
        """How many times the matrices were diagonalised."""
        return self._bases.made

    def prepare(self, device: torch.device | str = "cpu") -> None:
        """Diagonalise now rather than at the first solve.

        Raises:
            OptionError: a matrix cannot be diagonalised.
        """
        self._basis(self.matrices, torch.device(device))

    def solve(self, b: torch.Tensor, c: Shift) -> torch.Tensor:
        """Return x for b ``(*batch, *grid)``; see `ShiftedSolver`."""
        check_shape(b, self.shape)
        return solve_implicitly(self, b, c, *self.matrices)

    def apply(self, v: torch.Tensor, *parameters: torch.Tensor, transpose: bool) -> torch.Tensor:
        """``L v`` or ``L^T v``."""
        terms = [
            along(_matched(A.mT if transpose else A, v), v, dim)
            for dim, A in zip(range(-len(parameters), 0), parameters, strict=True)
        ]
        return sum(terms[1:], start=terms[0])

    def invert(self, b: torch.Tensor, c: float | complex, *parameters: torch.Tensor, transpose: bool) -> torch.Tensor:
        """``V (V^-1 b / (1 - c λ))``, or with ``V^-T`` in the place of V for the transpose."""
        key, exact = (versions(parameters), b.device), self._basis(parameters, b.device)
        real = not (b.is_complex() or isinstance(c, complex) or any(A.is_complex() for A in parameters))
        x = b if not isinstance(c, complex) else b.to(b.dtype.to_complex())
        bases = self._cast.get((key, b.dtype.to_real()), lambda: [_in_precision(basis, b) for basis in exact])
        dims = range(-len(bases), 0)
        for dim, basis in zip(dims, bases, strict=True):
            x = along(basis.vectors.mT if transpose else basis.inverse, x, dim)
        x = x * self._reciprocals.get((key, c, b.dtype.to_real()), lambda: _reciprocal(exact, c, b))
        for dim, basis in zip(dims, bases, strict=True):
            x = along(basis.inverse.mT if transpose else basis.vectors, x, dim)
        return x.real if real and x.is_complex() else x

    def _basis(self, parameters: Sequence[torch.Tensor], device: torch.device) -> list[EigenBasis]:
        def diagonalise() -> list[EigenBasis]:
            pairs = zip(parameters, self.norms, strict=True)
            return [EigenBasis(*(part.to(device) for part in eigenbasis(A, norm))) for A, norm in pairs]

        return self._bases.get((versions(parameters), device), diagonalise)


def eigenbasis(A: torch.Tensor, norm: torch.Tensor | None = None) -> EigenBasis:
    """Eigenvalues and eigenvectors of A ``(N, N)``, symmetric in the inner product of `norm` where it is given.

    Raises:
        OptionError: A is not symmetric in `norm`, or its eigenvectors are dependent to half of the digits.
    """
    A = A.detach().to("cpu", double_of(A.dtype))
    if norm is None and torch.equal(A, A.mH):
        norm = torch.ones(len(A), dtype=torch.float64)
    if norm is None:
        return _general_basis(A)
    root = norm.detach().to("cpu", torch.float64).sqrt()
    S = root[:, None] * A / root
    defect = (S - S.mH).abs().max() / S.abs().max().clamp_min(torch.finfo(torch.float64).tiny)
    if not defect < 1e-10:
        raise OptionError(
            f"a matrix of an axis is not symmetric in the given norm weights (relative defect {defect:.1e}); "
            "give the weights w with w_i A_ij = w_j A_ji, or None"
        )
    values, Q = torch.linalg.eigh((S + S.mH) / 2)
    return EigenBasis(_without_round_off(values, S), Q / root[:, None], Q.mH * root)


def _general_basis(A: torch.Tensor) -> EigenBasis:
    values, V = torch.linalg.eig(A)
    condition = torch.linalg.cond(V)
    if not condition <= LARGEST_CONDITION:
        raise OptionError(
            f"a matrix of an axis cannot be diagonalised safely: its eigenvectors have the condition number "
            f"{condition:.1e}, and {LARGEST_CONDITION:.0e} is the most that is accepted; use BandedSolve or SparseSolve"
        )
    if not (A.is_complex() or values.imag.any()):
        values, V = values.real, V.real
    return EigenBasis(_without_round_off(values, A), V, torch.linalg.inv(V))


def _without_round_off(values: torch.Tensor, A: torch.Tensor) -> torch.Tensor:
    """Eigenvalues that cannot be told from zero are zero: else c = 1e8 would make a drift of conserved means."""
    floor = len(A) * torch.finfo(torch.float64).eps * torch.linalg.matrix_norm(A, ord=2)
    return torch.where(values.abs() <= floor, 0, values)


def _reciprocal(bases: Sequence[EigenBasis], c: float | complex, like: torch.Tensor) -> torch.Tensor:
    return reciprocal(kronecker_sum_eigenvalues([basis.values for basis in bases]), c, like)


def _in_precision(basis: EigenBasis, like: torch.Tensor) -> EigenBasis:
    return EigenBasis(*(in_precision_of(part, like).contiguous() for part in basis))


def along(A: torch.Tensor, v: torch.Tensor, dim: int) -> torch.Tensor:
    """The matrix A applied along one axis of v."""
    if A.is_complex() != v.is_complex():
        A, v = _matched(A, v), _matched(v, A)
    if dim == -1:
        return v @ A.mT
    return (A @ v.movedim(dim, -2)).movedim(-2, dim)


def _matched(A: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """A in the precision of v, complex if either is."""
    return A.to(v.device, torch.promote_types(v.dtype, A.dtype) if v.is_complex() or A.is_complex() else v.dtype)
