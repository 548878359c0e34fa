"""The simplest preconditioner: divide by the diagonal."""

from __future__ import annotations

import torch


class Jacobi:
    """``x_i = b_i / (1 - c L_ii)``.

    Args:
        diagonal: of L, broadcast to a sample.
    """

    name = "Jacobi"

    def __init__(self, diagonal: torch.Tensor) -> None:
        self.diagonal = diagonal.detach()

    def solve(self, b: torch.Tensor, c: float) -> torch.Tensor:
        """An approximation of x for b ``(*batch, *shape)``."""
        return b / (1 - c * self.diagonal.to(b.device, b.dtype))
