"""A line of tokens and one half as fine, and the two maps between them.

Pairs of tokens share a coarse cell. Prolongation P is linear interpolation between the centres of coarse cells, and the
nearest cell alone where there is none on the other side. Restriction is its adjoint, ``R = H^-1 P^T`` with
``H = diag(P^T 1)``: 2 inside (so R = P^T/2), less where a cell has one real child. Then, for every mask,

* P and R keep constants, and ``sum_i (P c)_i = sum_j H_j c_j``: nothing is lost,
* ``<R f, c>_H = <f, P c>``, and ``|P c| <= |c|_H``, so that the exchange ``f' = P c - f, c' = R f - c`` descends
  ``|f|^2/2 - <f, P c> + |c|_H^2/2``, which is never negative.

(W. Briggs, V. E. Henson and S. McCormick, A Multigrid Tutorial (2000), chapter 3, for R = P^T/2^d.)
"""

from __future__ import annotations

import torch
from torch import Tensor


def coarse_mask(mask: Tensor) -> Tensor:
    """A coarse cell is real if one of its children is: (B, N) -> (B, ceil(N/2))."""
    return _pairs(mask.unsqueeze(-1)).any(2).squeeze(-1)


def prolong(coarse: Tensor, mask: Tensor) -> Tensor:
    """To the fine line: (B, ceil(N/2), C) and the fine mask (B, N) -> (B, N, C), zero on padding."""
    share = _share(mask, coarse.dtype)
    fine = coarse.unsqueeze(2) * (1 - share) + _neighbours(coarse) * share
    return torch.where(mask.unsqueeze(-1), fine.flatten(1, 2)[:, : mask.shape[1]], 0)


def spread(fine: Tensor, mask: Tensor) -> Tensor:
    """``P^T``: (B, N, C) -> (B, ceil(N/2), C)."""
    pairs = _pairs(torch.where(mask.unsqueeze(-1), fine, 0))
    share = _share(mask, fine.dtype)
    own, given = pairs * (1 - share), pairs * share
    to_left, to_right = given[:, :, 0], given[:, :, 1]
    none = torch.zeros_like(to_left[:, :1])
    return own.sum(2) + torch.cat([to_left[:, 1:], none], 1) + torch.cat([none, to_right[:, :-1]], 1)


def weights(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """``H``, how many tokens a coarse cell stands for: (B, ceil(N/2), 1), zero where there is none."""
    return spread(mask.unsqueeze(-1).to(dtype), mask)


def restrict(fine: Tensor, mask: Tensor) -> Tensor:
    """``R = H^-1 P^T``: (B, N, C) -> (B, ceil(N/2), C), zero where there is no token."""
    count = weights(mask, fine.dtype)
    return spread(fine, mask) / torch.where(count > 0, count, 1)


def _share(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """How much of a token's value comes from the neighbouring coarse cell, (B, ceil(N/2), 2, 1)."""
    real = coarse_mask(mask)
    none = torch.zeros_like(real[:, :1])
    left, right = torch.cat([none, real[:, :-1]], 1), torch.cat([real[:, 1:], none], 1)
    return torch.stack([left, right], 2).unsqueeze(-1).to(dtype) / 4


def _neighbours(coarse: Tensor) -> Tensor:
    """The cells to the left and to the right, (B, M, 2, C)."""
    none = torch.zeros_like(coarse[:, :1])
    return torch.stack([torch.cat([none, coarse[:, :-1]], 1), torch.cat([coarse[:, 1:], none], 1)], 2)


def _pairs(values: Tensor) -> Tensor:
    """(B, N, C) -> (B, ceil(N/2), 2, C), with zero behind the end."""
    batch, length, channels = values.shape
    if length % 2:
        values = torch.cat([values, torch.zeros_like(values[:, :1])], 1)
    return values.reshape(batch, (length + 1) // 2, 2, channels)
