"""From complex to real: what of a wave the rest of the network sees."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .wave import Wave, magnitude


class Magnitude(nn.Module):
    """``|Z|``, the paper's choice. It forgets every angle: of a modulation ``G1 G2`` is left, alike for all."""

    def forward(self, z: Wave) -> Tensor:
        return magnitude(z)


class RealPart(nn.Module):
    """``Re Z``, a control. Of an interference it is ``w1 + w2``: an ordinary linear layer, and no wave at all."""

    def forward(self, z: Wave) -> Tensor:
        return z.real


class BothParts(nn.Module):
    """A linear map of ``[Re Z, Im Z]``: magnitudes and angles both count.

    Args:
        dim: numbers per token.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * dim, dim)

    def forward(self, z: Wave) -> Tensor:
        return self.linear(torch.cat(z, -1))


class PhaseSensitive(nn.Module):
    """A complex linear map, modReLU (Arjovsky, Shah, Bengio 2016, equation 8), then a linear map of both parts.

    modReLU turns ``z`` into ``z max(|z| + b, 0)/|z|``: a threshold for magnitudes that leaves angles as they are.

    Args:
        dim: numbers per token.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.real, self.imaginary = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.threshold = nn.Parameter(torch.zeros(dim))
        self.both = BothParts(dim)

    def forward(self, z: Wave) -> Tensor:
        a, b = z
        turned = Wave(self.real(a) - self.imaginary(b), self.real(b) + self.imaginary(a))
        size = magnitude(turned)
        return self.both(turned.times(torch.relu(size + self.threshold) / size))


def readout(name: str, dim: int) -> nn.Module:
    """The read-out of this name, for waves (B, N, dim)."""
    if name == "abs":
        return Magnitude()
    if name == "re":
        return RealPart()
    return BothParts(dim) if name == "re_im" else PhaseSensitive(dim)
