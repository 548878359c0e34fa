"""The free reaction: expand, GELU, contract."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Perceptron(nn.Module):
    """``F(phi, s) = W2 GELU(W1 [n(phi), s] + b1) + b2`` at every position by itself.

    GELU grows like its argument, so F is not bounded and nothing promises that a field comes to rest.

    Args:
        channels: components of the field, C.
        hidden: width of the hidden layer.
        more: components of further arguments s.
        norm: n is a layer norm over the channels of one position; else the identity.
        gain: factor on the usual initial weights of W2.
    """

    def __init__(self, channels: int, hidden: int, *, more: int = 0, norm: bool = False, gain: float = 1.0) -> None:
        super().__init__()
        self.channels = channels
        self.norm = nn.LayerNorm(channels) if norm else None
        self.expand = nn.Linear(channels + more, hidden)
        self.contract = nn.Linear(hidden, channels)
        with torch.no_grad():
            self.contract.weight.mul_(gain)

    def forward(self, arguments: Tensor) -> Tensor:
        """``(..., C + more)`` -> ``(..., C)``."""
        if self.norm is not None:
            phi, more = arguments[..., : self.channels], arguments[..., self.channels :]
            arguments = torch.cat([self.norm(phi), more], -1) if more.shape[-1] else self.norm(phi)
        return self.contract(nn.functional.gelu(self.expand(arguments)))
