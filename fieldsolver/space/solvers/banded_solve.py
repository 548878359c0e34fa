"""L has a few diagonals along one axis: LU of the band.

On CPU LAPACK's ``gbtrf`` and ``gbtrs`` through SciPy, in float64 whatever b is. Elsewhere there is no banded solver to
call, and the dense LU of ``torch.linalg`` is used.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.linalg.lapack
import torch

from fieldsolver.errors import OptionError

from .banded_matrix import banded_product, bands_of, bandwidths, without_corners
from .condition import inverse_reciprocal_norm
from .factor_cache import FactorCache, versions
from .implicit import solve_implicitly
from .protocol import Shift, check_shape, double_of, singular
from .refinement import refined, refinement_sweeps

Inverse = Callable[[torch.Tensor, bool], torch.Tensor]
"""From ``(K, N)`` and whether to transpose to the solution ``(K, N)``."""


class BandedSolve:
    """Banded LU along one axis, for all other axes at once.

    Cost: ``O(N (lower + upper))`` a line and solve.

    Args:
        bands: ``(lower + 1 + upper, N)`` with ``bands[upper + i - j, j] = L[i, j]`` (LAPACK's and SciPy's layout; the
            corners outside the matrix are ignored). Their gradients are found too.
        lower: number of diagonals below the main one.
        upper: number of diagonals above it.
        dim: the axis, counted from the end.

    Raises:
        OptionError: `bands` does not have ``lower + 1 + upper`` rows, or `dim` is not negative.
    """

    name = "banded LU"

    def __init__(self, bands: torch.Tensor, lower: int, upper: int, *, dim: int = -1) -> None:
        if bands.dim() != 2 or bands.shape[0] != lower + 1 + upper or min(lower, upper) < 0:
            raise OptionError(
                f"bands must be (lower + 1 + upper, N) = ({lower + 1 + upper}, N), got {tuple(bands.shape)}"
            )
        if dim >= 0:
            raise OptionError(f"dim counts from the end and is negative, got {dim}")
        self.bands, self.lower, self.upper, self.dim = bands, lower, upper, dim
        self.reason = f"{lower + 1 + upper} diagonals: banded LU on CPU, dense LU on other devices"
        self._factors: FactorCache[tuple[Inverse, int]] = FactorCache()

    @classmethod
    def from_matrix(cls, matrix: torch.Tensor, *, dim: int = -1) -> BandedSolve:
        """The solver of a dense matrix ``(N, N)``, with the bands that are not zero."""
        lower, upper = bandwidths(matrix)
        return cls(bands_of(matrix, lower, upper), lower, upper, dim=dim)

    @property
    def factorisations(self) -> int:
        """How many LU factorisations were made."""
        return self._factors.made

    def solve(self, b: torch.Tensor, c: Shift) -> torch.Tensor:
        """Return x for b with N points on the axis `dim`; see `ShiftedSolver`."""
        lines = b.movedim(self.dim, -1)
        check_shape(lines, self.bands.shape[1:])
        return solve_implicitly(self, lines, c, self.bands).movedim(-1, self.dim)

    def apply(self, v: torch.Tensor, *parameters: torch.Tensor, transpose: bool) -> torch.Tensor:
        """``L v`` or ``L^T v`` along the last axis."""
        bands = parameters[0].to(v.device)
        if v.is_complex() or not bands.is_complex():
            bands = bands.to(v.dtype)
        return banded_product(bands, self.lower, self.upper, v, transpose=transpose)

    def invert(self, b: torch.Tensor, c: float | complex, *parameters: torch.Tensor, transpose: bool) -> torch.Tensor:
        """Solve along the last axis in double precision."""
        bands = parameters[0]
        is_complex = b.is_complex() or bands.is_complex() or isinstance(c, complex)
        wide = b.to(torch.complex128 if is_complex else torch.float64)
        key = (c, versions(parameters), b.device)
        inverse, sweeps = self._factors.get(key, lambda: self._factor(bands, c, b.device))
        x = refined(
            lambda r: inverse(r.reshape(-1, r.shape[-1]), transpose).reshape(r.shape),
            lambda v: self.apply(v, bands.to(double_of(bands.dtype)), transpose=transpose),
            wide, c, sweeps,
        )  # fmt: skip
        return x.to(b.dtype.to_complex() if is_complex else b.dtype)

    def _factor(self, bands: torch.Tensor, c: float | complex, device: torch.device) -> tuple[Inverse, int]:
        bands = without_corners(bands, self.lower, self.upper).to(double_of(bands.dtype))
        shifted = -c * bands
        shifted[self.upper] += 1
        sweeps = refinement_sweeps(c, float(bands.abs().sum(0).max()))
        if device.type == "cpu":
            return _lapack(shifted.resolve_conj().numpy(), self.lower, self.upper, c), sweeps
        return _dense(shifted.to(device), self.lower, self.upper, c), sweeps


def _lapack(bands: np.ndarray, lower: int, upper: int, c: float | complex) -> Inverse:
    gbtrf, gbtrs = scipy.linalg.lapack.get_lapack_funcs(("gbtrf", "gbtrs"), (bands,))
    filled = np.vstack([np.zeros((lower, bands.shape[1]), bands.dtype), bands])  # LAPACK fills in `lower` more
    factors, pivots, failed = gbtrf(filled, lower, upper)
    size = np.abs(bands).sum(0).max()  # in the 1-norm
    reciprocal_condition = 0.0
    if not failed:
        reciprocal_condition = (
            inverse_reciprocal_norm(
                bands.shape[1],
                bands.dtype,
                lambda v: gbtrs(factors, lower, upper, v, pivots)[0],
                lambda v: gbtrs(factors, lower, upper, v, pivots, trans=2)[0],
            )
            / size
        )
    if not reciprocal_condition > 32 * np.finfo(float).eps:
        raise singular(c, f"its reciprocal condition number is {reciprocal_condition:.1e}")

    def inverse(b: torch.Tensor, transpose: bool) -> torch.Tensor:
        right = b.resolve_conj().numpy().T  # (N, K) in Fortran order, as LAPACK wants it: nothing is copied twice
        if np.iscomplexobj(right) and not np.iscomplexobj(factors):
            parts = np.concatenate([right.real, right.imag], axis=1)
            both, _ = gbtrs(factors, lower, upper, np.asfortranarray(parts), pivots, trans=int(transpose))
            half = right.shape[1]
            return torch.from_numpy(np.ascontiguousarray((both[:, :half] + 1j * both[:, half:]).T))
        x, _ = gbtrs(factors, lower, upper, right, pivots, trans=int(transpose))
        return torch.from_numpy(x.T)

    return inverse


def _dense(bands: torch.Tensor, lower: int, upper: int, c: float | complex) -> Inverse:
    offsets = range(upper, -lower - 1, -1)
    points = bands.shape[1]
    M = sum(
        torch.diag_embed(row[max(k, 0) : points + min(k, 0)], offset=k) for k, row in zip(offsets, bands, strict=True)
    )
    factors, pivots, failed = torch.linalg.lu_factor_ex(M)
    if failed.item():
        raise singular(c, "its LU factorisation has a zero pivot")

    def inverse(b: torch.Tensor, transpose: bool) -> torch.Tensor:
        A = factors.to(b.dtype)
        if transpose:  # M^-T b is the conjugate of M^-H b̄
            return torch.linalg.lu_solve(A, pivots, b.conj().mT, adjoint=True).mT.conj()
        return torch.linalg.lu_solve(A, pivots, b.mT).mT

    return inverse
