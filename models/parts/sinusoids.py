"""Positions as sines and cosines."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def sinusoids(places: Tensor, width: int) -> Tensor:
    """Sines and cosines of places (...), in turn, with wavelengths from 2 pi to 10,000 * 2 pi; float64 (..., width).

    Source: A. Vaswani et al., Attention is all you need, NeurIPS 2017, section 3.5.
    """
    rates = torch.exp(torch.arange(0, width, 2, device=places.device).double() * (-math.log(10_000.0) / width))
    angles = places.double().unsqueeze(-1) * rates
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)[..., :width]
