"""One vector from the vectors of many tokens; padding counts for nothing."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over real tokens, (B, N, D) with mask (B, N) -> (B, D); zero where there is none."""
    real = mask.unsqueeze(-1)
    total = torch.where(real, values, 0).sum(1)  # where, not times: padding may hold NaN
    return total / real.sum(1).clamp(min=1)


def masked_max(values: Tensor, mask: Tensor) -> Tensor:
    """Largest value per component over real tokens, (B, N, D) with mask (B, N) -> (B, D); zero where there is none."""
    real = mask.unsqueeze(-1)
    highest = torch.where(real, values, float("-inf")).amax(1)
    return torch.where(mask.any(1, keepdim=True), highest, 0)


POOLS = ("mean", "max", "mean_max")
"""Kinds of `pooled`; the last are both, one behind the other."""


def pooled(kind: str, values: Tensor, mask: Tensor) -> Tensor:
    """(B, N, D) with mask (B, N) -> (B, D), or (B, 2 D) of ``"mean_max"``."""
    if kind == "mean":
        return masked_mean(values, mask)
    if kind == "max":
        return masked_max(values, mask)
    return torch.cat([masked_mean(values, mask), masked_max(values, mask)], -1)
