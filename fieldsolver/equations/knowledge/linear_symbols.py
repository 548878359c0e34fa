"""Eigenvalues of the linear part in a basis that diagonalises it, as functions of the parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .affine import LinearTerm
from .axis_bases import Basis
from .linear_rates import LinearRates
from .spectra import operator_symbol


def eigenvalues(rates: LinearRates, fields: Sequence[str], terms: Sequence[LinearTerm], basis: Basis) -> Tensor:
    """λ of every component of `fields`, ``(C, *modes)``; no term couples two of them.

    A coefficient that varies in space counts with its mean.
    """
    modes = tuple(entry.shape[axis] for axis, entry in enumerate(basis.modes))
    parts = []
    for field in fields:
        size = rates.layout.fields[field][1]
        λ = torch.zeros(size, *modes, dtype=torch.float64)
        for term in terms:
            if term.row == field:
                weights = component_weights(rates, term, size)
                λ = λ + weights.reshape(size, *[1] * len(modes)) * _symbol(rates, term, basis)
        parts.append(λ)
    return torch.cat(parts)


def symbols(rates: LinearRates, fields: Sequence[str], terms: Sequence[LinearTerm], basis: Basis) -> Tensor:
    """The matrix S of every mode, ``(*modes, C, C)``: row, the component that changes; column, the one that acts."""
    first, total = {}, 0
    for field in fields:
        first[field], total = total, total + rates.layout.fields[field][1]
    modes = tuple(entry.shape[axis] for axis, entry in enumerate(basis.modes))
    S = torch.zeros(*modes, total, total, dtype=torch.float64)
    for term in terms:
        block = _coupling(rates, term, first, total)
        S = S + _symbol(rates, term, basis)[..., None, None] * block
    return S


def component_weights(rates: LinearRates, term: LinearTerm, size: int) -> Tensor:
    """Coefficient times what stands inside the operator, for each component of the row, ``(size,)``."""
    value = _mean(rates, rates.value(term.coefficient))
    if term.inside is not None:
        value = value * _mean(rates, rates.value(term.inside))
    return value.expand(size)


def _mean(rates: LinearRates, value: Tensor) -> Tensor:
    """``(1,)`` or ``(C,)`` from ``(..., C, *grid)`` with any of the axes missing or of length 1."""
    axes = rates.layout.dimension
    while value.dim() <= axes:
        value = value.unsqueeze(0)
    return value.flatten(value.dim() - axes).mean(-1).flatten() if axes else value.flatten()


def _coupling(rates: LinearRates, term: LinearTerm, first: dict[str, int], total: int) -> Tensor:
    size, columns = rates.layout.fields[term.row][1], rates.layout.fields[term.field][1]
    weights = component_weights(rates, term, size)
    rows = range(size) if term.row_component is None else (term.row_component,)
    if term.matrix is not None:
        matrix = rates.value(term.matrix).reshape(size, columns)
        pairs = [(i, j) for i in rows for j in range(columns)]
        entries = [weights[i] * matrix[i, j] for i, j in pairs]
    else:
        pairs = [(i, term.component if term.component is not None else i if columns > 1 else 0) for i in rows]
        entries = [weights[i] for i, _ in pairs]
    row, column = (torch.tensor(index) for index in zip(*pairs, strict=True))
    values = torch.stack(entries)
    block = torch.zeros(total, total, dtype=values.dtype)
    return block.index_put((row + first[term.row], column + first[term.field]), values)


def _symbol(rates: LinearRates, term: LinearTerm, basis: Basis) -> Tensor:
    """Eigenvalues of the operators of a term, one after the other; real where they all are."""
    total = np.ones([1] * len(basis.modes), dtype=complex)
    for name in term.operators:
        total = total * operator_symbol(rates.layout, name, basis.modes)
    if np.abs(total.imag).max() <= 1e-13 * np.abs(total).max():
        total = total.real
    return torch.as_tensor(np.array(total))
