"""L is any sparse matrix: sparse LU on the CPU (SuperLU through `scipy.sparse.linalg.splu`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import torch

from fieldsolver.errors import OptionError

from .condition import inverse_reciprocal_norm
from .factor_cache import FactorCache, versions
from .implicit import solve_implicitly
from .protocol import Shift, check_shape, singular
from .refinement import refined, refinement_sweeps
from .sparse_matrix import SparseMatrix

Inverse = Callable[[torch.Tensor, bool], torch.Tensor]
"""From ``(K, N)`` and whether to transpose to the solution ``(K, N)``."""


class SparseSolve:
    """Sparse LU in double precision, on the CPU; fields on another device are copied there and back.

    Cost: fill-in of about ``N log N`` in two dimensions and ``N^(4/3)`` in three, both times for each solve.

    Args:
        matrix: L, flattened as `shape` is: a `SparseMatrix` (gradients reach its values), or a SciPy matrix.
        shape: axes of one sample, ``(*grid)`` or ``(C, *grid)``; None: one axis of N.

    Raises:
        OptionError: the matrix is not square, or not of the size of `shape`.
    """

    name = "sparse LU"

    def __init__(self, matrix: SparseMatrix | Any, shape: Sequence[int] | None = None) -> None:
        self.matrix = matrix if isinstance(matrix, SparseMatrix) else SparseMatrix.from_scipy(matrix)
        self.shape = tuple(shape) if shape is not None else (self.matrix.size,)
        if math.prod(self.shape) != self.matrix.size:
            raise OptionError(f"a sample of shape {self.shape} has not the {self.matrix.size} unknowns of the matrix")
        self.reason = f"{self.matrix.size} unknowns, {len(self.matrix.values)} nonzeros: sparse LU on the CPU"
        self._factors: FactorCache[tuple[Inverse, int]] = FactorCache()

    @property
    def factorisations(self) -> int:
        """How many LU factorisations were made."""
        return self._factors.made

    def solve(self, b: torch.Tensor, c: Shift) -> torch.Tensor:
        """Return x for b ``(*batch, *shape)``; see `ShiftedSolver`."""
        check_shape(b, self.shape)
        batch = b.shape[: b.dim() - len(self.shape)]
        return solve_implicitly(self, b.reshape(*batch, -1), c, self.matrix.values).reshape(b.shape)

    def apply(self, v: torch.Tensor, *parameters: torch.Tensor, transpose: bool) -> torch.Tensor:
        """``L v`` or ``L^T v`` for v ``(..., N)``."""
        return self.matrix.product(v, parameters[0], transpose=transpose)

    def invert(self, b: torch.Tensor, c: float | complex, *parameters: torch.Tensor, transpose: bool) -> torch.Tensor:
        """Solve for b ``(..., N)`` in double precision."""
        values = parameters[0]
        inverse, sweeps = self._factors.get((c, versions(parameters)), lambda: self._factor(values, c))
        is_complex = b.is_complex() or values.is_complex() or isinstance(c, complex)
        wide = b.to("cpu", torch.complex128 if is_complex else torch.float64)
        exact = values.detach().to("cpu", torch.complex128 if values.is_complex() else torch.float64)
        x = refined(
            lambda r: inverse(r.reshape(-1, r.shape[-1]), transpose).reshape(r.shape),
            lambda v: self.apply(v, exact, transpose=transpose),
            wide, c, sweeps,
        )  # fmt: skip
        return x.to(b.device, b.dtype.to_complex() if is_complex else b.dtype)

    def _factor(self, values: torch.Tensor, c: float | complex) -> tuple[Inverse, int]:
        L = self.matrix.to_scipy(values)
        return _lu(L, c), refinement_sweeps(c, float(scipy.sparse.linalg.norm(L, 1)))


def _lu(L: scipy.sparse.csc_array, c: float | complex) -> Inverse:
    M = scipy.sparse.csc_matrix(scipy.sparse.eye_array(L.shape[0], format="csc") - c * L)
    try:
        factors = scipy.sparse.linalg.splu(M, **_ordering(M))
    except RuntimeError as error:  # "Factor is exactly singular"
        raise singular(c, "its sparse LU has a zero pivot") from error
    smallness = inverse_reciprocal_norm(M.shape[0], M.dtype, factors.solve, lambda v: factors.solve(v, "H"))
    reciprocal_condition = smallness / scipy.sparse.linalg.norm(M, 1)
    if not reciprocal_condition > 32 * np.finfo(float).eps:
        raise singular(c, f"its reciprocal condition number is {reciprocal_condition:.1e}")

    def inverse(b: torch.Tensor, transpose: bool) -> torch.Tensor:
        right = b.resolve_conj().numpy().T  # (N, K)
        trans = "T" if transpose else "N"
        if np.iscomplexobj(right) and not np.iscomplexobj(M.data):
            x = factors.solve(right.real, trans) + 1j * factors.solve(right.imag, trans)
        else:
            x = factors.solve(right, trans)
        return torch.from_numpy(np.ascontiguousarray(x.T))

    return inverse


def _ordering(M: scipy.sparse.csc_matrix) -> dict[str, Any]:
    """Minimum degree of ``M + M^T`` with pivots near the diagonal where the pattern is symmetric: half the fill-in."""
    pattern = M.astype(bool)
    if (pattern != pattern.T).nnz:
        return {"permc_spec": "COLAMD"}
    return {"permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0.1, "options": {"SymmetricMode": True}}
