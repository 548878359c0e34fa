"""A reaction that cannot exceed a limit: with a decay it keeps the field bounded."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .perceptron import Perceptron


class BoundedReaction(nn.Module):
    """``F(phi) = M tanh(N(phi))``, so ``|F| <= M`` in every component.

    With ``dphi/dt = D*laplacian(phi) - k*phi + F(phi)`` the maximum principle gives ``|phi(t)| <= max(|phi(0)|, M/k)``;
    explicit Euler steps keep it for ``dt <= 1/(k + 2 d D/h^2)``.

    Args:
        channels: components of the field.
        hidden: width of N.
        limit: M.
    """

    def __init__(self, channels: int, hidden: int, *, limit: float = 1.0) -> None:
        super().__init__()
        self.inner = Perceptron(channels, hidden)
        self.limit = limit

    def forward(self, phi: Tensor) -> Tensor:
        """``(..., C)`` -> ``(..., C)``."""
        return self.limit * torch.tanh(self.inner(phi))

    def extra_repr(self) -> str:
        """The limit."""
        return f"limit={self.limit:g}"
