"""A sparse matrix as a torch tensor of its nonzeros and a fixed pattern, so that the nonzeros can be learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
import torch

from fieldsolver.errors import OptionError


@dataclass(frozen=True, eq=False)
class SparseMatrix:
    """A square matrix; entries given twice are added.

    Attributes:
        values: ``(nnz,)``; may require gradients.
        rows: ``(nnz,)`` int64.
        columns: ``(nnz,)`` int64.
        size: N.

    Raises:
        OptionError: the three do not have one length, or an index lies outside the matrix.
    """

    values: torch.Tensor
    rows: torch.Tensor
    columns: torch.Tensor
    size: int

    def __post_init__(self) -> None:
        if not self.values.shape == self.rows.shape == self.columns.shape or self.values.dim() != 1:
            raise OptionError(
                "values, rows and columns of a sparse matrix are 1-D and of one length, got the shapes "
                f"{tuple(self.values.shape)}, {tuple(self.rows.shape)} and {tuple(self.columns.shape)}"
            )
        for indices in (self.rows, self.columns):
            if len(indices) and (int(indices.min()) < 0 or int(indices.max()) >= self.size):
                raise OptionError(f"indices of the sparse matrix must lie in 0 .. {self.size - 1}")

    @classmethod
    def from_scipy(cls, matrix: Any) -> SparseMatrix:
        """From any SciPy sparse matrix or array, or a NumPy matrix ``(N, N)``."""
        entries = scipy.sparse.coo_array(matrix)
        if entries.shape[0] != entries.shape[1]:
            raise OptionError(f"L must be square, got a matrix of shape {entries.shape}")
        rows, columns = (torch.from_numpy(i.astype(np.int64)) for i in entries.coords)
        data = entries.data if entries.data.dtype.kind in "fc" else entries.data.astype(float)
        return cls(torch.from_numpy(data.copy()), rows, columns, entries.shape[0])

    @classmethod
    def from_torch(cls, matrix: torch.Tensor) -> SparseMatrix:
        """From a dense or sparse torch matrix ``(N, N)``; gradients reach its values."""
        if matrix.dim() != 2 or matrix.shape[0] != matrix.shape[1]:
            raise OptionError(f"L must be square, got a tensor of shape {tuple(matrix.shape)}")
        entries = matrix.to_sparse_coo().coalesce()
        rows, columns = entries.indices()
        return cls(entries.values(), rows, columns, matrix.shape[0])

    def product(self, v: torch.Tensor, values: torch.Tensor, *, transpose: bool) -> torch.Tensor:
        """``A v`` or ``A^T v`` for v ``(..., N)``, with `values` in the place of the nonzeros."""
        rows, columns = (self.columns, self.rows) if transpose else (self.rows, self.columns)
        rows, columns = rows.to(v.device), columns.to(v.device)
        dtype = torch.promote_types(v.dtype, values.dtype) if v.is_complex() or values.is_complex() else v.dtype
        products = values.to(v.device, dtype) * v[..., columns]
        zeros = torch.zeros(*v.shape[:-1], self.size, dtype=products.dtype, device=v.device)
        return zeros.index_add(-1, rows, products)

    def to_scipy(self, values: torch.Tensor) -> scipy.sparse.csc_array:
        """In compressed columns, with `values` in the place of the nonzeros, in double precision."""
        data = values.detach().resolve_conj().cpu().numpy()
        wide = data.astype(complex if np.iscomplexobj(data) else float)
        entries = (wide, (self.rows.cpu().numpy(), self.columns.cpu().numpy()))
        return scipy.sparse.csc_array(entries, shape=(self.size, self.size))
