"""Products with a sparse matrix whose pattern is fixed and whose entries may be trained.

Two products close the calculus. With one number ``a_e`` per entry ``e`` in row ``r(e)`` and column ``c(e)``,

    product:  (A v)_r = sum of a_e v_c(e) over the entries of row r
    pairing:  <g, v>_e = g_r(e) v_c(e), summed over the batch

Both are bilinear: the derivatives of the product are products with ``A^T`` and pairings, those of the pairing are
products. Derivatives of every order, forward and reverse, are the same two again, and neither the full matrix nor an
array of batch times entries is made.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

with warnings.catch_warnings():  # torch says once per process that CSR is in beta; the tests here hold what we use
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor([0, 1], [0], [1.0], (1, 1), check_invariants=False)


CPU = torch.device("cpu")


class Pattern:
    """The places of the entries of an ``(R, C)`` matrix.

    Args:
        rows: row of each entry, int64 ``(nnz,)``, in any order: entries are passed in this order too.
        columns: column of each entry.
        transpose: the pattern of the transpose, made here if None; its entries are passed in the same order.
        shape: ``(R, C)``.
    """

    def __init__(
        self, rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int], transpose: Pattern | None = None
    ) -> None:
        self.rows, self.columns, self.shape = rows, columns, shape
        self.T = Pattern(columns, rows, shape[::-1], self) if transpose is None else transpose
        order = np.lexsort((columns, rows))
        starts = np.searchsorted(rows[order], np.arange(shape[0] + 1))
        self._by_row = {CPU: tuple(torch.as_tensor(a) for a in (order, starts, rows[order], columns[order]))}

    def by_row(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """``(order, starts, rows, columns)`` on the device: the entries sorted by rows, and where each row starts."""
        if device not in self._by_row:
            with torch.inference_mode(False):  # what is kept must serve differentiated calls too
                self._by_row[device] = tuple(place.to(device) for place in self._by_row[CPU])
        order, starts, rows, columns = self._by_row[device]
        return order, starts, rows, columns


def sparse_product(pattern: Pattern, entries: Tensor, values: Tensor) -> Tensor:
    """``A v`` for every vector of a batch.

    Args:
        pattern: places of the entries; the matrix is ``(R, C)``.
        entries: real ``(nnz,)``.
        values: ``(..., C)``, real or complex.

    Returns:
        ``(..., R)`` in the dtype of `values`.
    """
    if values.is_complex():  # A is real and acts on both parts alike
        parts = torch.view_as_real(values).movedim(-1, 0)
        return torch.view_as_complex(sparse_product(pattern, entries, parts).movedim(0, -1).contiguous())
    batch = values.reshape(values.shape[:-1].numel(), pattern.shape[1])
    entries = entries.to(values.dtype)
    traced = torch.compiler.is_compiling() or is_in_torch_dispatch_mode()  # fake and traced tensors have no CSR form
    if values.dtype in (torch.float32, torch.float64) and not traced:
        result = _Product.apply(entries, batch, pattern)
    else:
        result = _gathered(entries, batch, pattern)
    return result.reshape(*values.shape[:-1], pattern.shape[0])


def _gathered(entries: Tensor, values: Tensor, pattern: Pattern) -> Tensor:
    """The product in elementary operations, for compilers and tracers, half precision and a matrix per sample."""
    order, _, rows, columns = pattern.by_row(values.device)
    terms = entries.index_select(-1, order) * values.index_select(-1, columns)
    return terms.new_zeros(*terms.shape[:-1], pattern.shape[0]).index_add(-1, rows, terms)


class _Product(torch.autograd.Function):
    """``(nnz,), (B, C) -> (B, R)``."""

    @staticmethod
    def forward(entries: Tensor, values: Tensor, pattern: Pattern) -> Tensor:
        order, starts, _, columns = pattern.by_row(values.device)
        matrix = torch.sparse_csr_tensor(
            starts, columns, entries.index_select(0, order), pattern.shape, check_invariants=False
        )
        return (matrix @ values.T).T

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Pattern], output: Tensor) -> None:
        entries, values, ctx.pattern = inputs
        ctx.save_for_backward(entries, values)
        ctx.save_for_forward(entries, values)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        entries, values = ctx.saved_tensors
        of_entries, of_values, _ = ctx.needs_input_grad
        return (
            _Pairing.apply(cotangent, values, ctx.pattern) if of_entries else None,
            _Product.apply(entries, cotangent, ctx.pattern.T) if of_values else None,
            None,
        )

    @staticmethod
    def jvp(ctx: Any, d_entries: Tensor | None, d_values: Tensor | None, _: None) -> Tensor:
        return _product_rule(_Product.apply, ctx.saved_tensors, (d_entries, d_values), ctx.pattern)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, int | None, None], entries: Tensor, values: Tensor, pattern: Pattern
    ) -> tuple[Tensor, int]:
        of_entries, of_values, _ = in_dims
        if of_values is not None:
            values = values.movedim(of_values, 0)  # (V, B, C)
        if of_entries is not None:  # a matrix per sample: there is no batched CSR product to call
            return _gathered(entries.movedim(of_entries, 0).unsqueeze(-2), values, pattern), 0
        return _Product.apply(entries, values.flatten(0, 1), pattern).unflatten(0, values.shape[:2]), 0


class _Pairing(torch.autograd.Function):
    """``(B, R), (B, C) -> (nnz,)``."""

    @staticmethod
    def forward(left: Tensor, right: Tensor, pattern: Pattern) -> Tensor:
        order, starts, _, columns = pattern.by_row(left.device)
        zeros = left.new_zeros(len(order))
        places = torch.sparse_csr_tensor(starts, columns, zeros, pattern.shape, check_invariants=False)
        pairs = torch.sparse.sampled_addmm(places, left.T, right, beta=0.0).values()
        return zeros.index_copy(0, order, pairs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Pattern], output: Tensor) -> None:
        left, right, ctx.pattern = inputs
        ctx.save_for_backward(left, right)
        ctx.save_for_forward(left, right)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        left, right = ctx.saved_tensors
        of_left, of_right, _ = ctx.needs_input_grad
        return (
            _Product.apply(cotangent, right, ctx.pattern) if of_left else None,
            _Product.apply(cotangent, left, ctx.pattern.T) if of_right else None,
            None,
        )

    @staticmethod
    def jvp(ctx: Any, d_left: Tensor | None, d_right: Tensor | None, _: None) -> Tensor:
        return _product_rule(_Pairing.apply, ctx.saved_tensors, (d_left, d_right), ctx.pattern)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, int | None, None], left: Tensor, right: Tensor, pattern: Pattern
    ) -> tuple[Tensor, int]:
        left, right = (
            value if dim is None else value.movedim(dim, 0)
            for value, dim in zip((left, right), in_dims[:2], strict=True)
        )
        order, _, rows, columns = pattern.by_row(left.device)
        pairs = (left.index_select(-1, rows) * right.index_select(-1, columns)).sum(-2)  # (V, nnz)
        return torch.zeros_like(pairs).index_copy(-1, order, pairs), 0


def _product_rule(bilinear: Any, point: tuple[Tensor, Tensor], tangents: tuple[Any, Any], pattern: Pattern) -> Tensor:
    """``d b(x, y) = b(dx, y) + b(x, dy)``; an absent tangent is zero."""
    terms = []
    if tangents[0] is not None:
        terms.append(bilinear(tangents[0], point[1], pattern))
    if tangents[1] is not None:
        terms.append(bilinear(point[0], tangents[1], pattern))
    return terms[0] if len(terms) == 1 else terms[0] + terms[1]
