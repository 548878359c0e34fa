"""The two ends of the time span, where somebody asks for their gradients."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Ends(NamedTuple):
    """Start and end as tensors with a graph; the numbers themselves are passed beside them.

    Attributes:
        t0: () float64.
        t1: () float64.
    """

    t0: Tensor
    t1: Tensor


def differentiable_zero(t: Tensor, device: torch.device) -> Tensor:
    """() float64: zero, with the derivatives of t."""
    return (t - t.detach()).to(device, torch.float64)


def stretched(end_offset: Tensor, arriving: Tensor) -> Tensor:
    """(n,) float64: how the ends of steps move with the end of the span, for those samples (n,) that arrive there."""
    return torch.where(arriving, end_offset, 0.0)
