"""Differences along a line of tokens, (B, N, C) with a mask (B, N): nothing flows through padding or past the ends."""

from __future__ import annotations

import torch
from torch import Tensor


def joined(mask: Tensor) -> Tensor:
    """Whether a token and the next one are both real: (B, N) -> (B, N - 1, 1)."""
    return (mask[:, 1:] & mask[:, :-1]).unsqueeze(-1)


def divergence(flux: Tensor) -> Tensor:
    """What enters every token less what leaves it, through the N - 1 faces between tokens: (B, N - 1, C) -> (B, N, C).

    It sums to zero along the line.
    """
    none = flux.new_zeros(flux.shape[0], 1, flux.shape[2])
    return torch.cat([flux, none], 1) - torch.cat([none, flux], 1)


def slopes(values: Tensor, mask: Tensor) -> Tensor:
    """Differences of neighbours that are both real, zero elsewhere: (B, N, C) -> (B, N - 1, C)."""
    return torch.where(joined(mask), values[:, 1:] - values[:, :-1], 0)


def laplacian(values: Tensor, mask: Tensor) -> Tensor:
    """The sum over real neighbours of their difference, spacing 1: symmetric, conservative, never positive."""
    return divergence(slopes(values, mask))


def on_real(values: Tensor, mask: Tensor) -> Tensor:
    """Zero on padding, whatever was there."""
    return torch.where(mask.unsqueeze(-1), values, 0)
