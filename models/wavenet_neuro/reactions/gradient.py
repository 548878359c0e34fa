"""A reaction with a potential: the field goes downhill, and comes to rest."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus


class GradientReaction(nn.Module):
    """``F = -grad V`` with ``V(phi) = (a/2) |phi|^2 + sum_j c_j log(1 + exp(w_j . phi + b_j))``, a > 0.

    The c_j have any sign: their terms grow like |phi| only, so the quadratic one dominates and V is bounded below.

    Args:
        channels: components of the field, C.
        hidden: number of terms, J.
        stiffness: where a starts.
    """

    def __init__(self, channels: int, hidden: int, *, stiffness: float = 1.0) -> None:
        super().__init__()
        self.directions = nn.Linear(channels, hidden)  # w_j and b_j
        self.strengths = nn.Parameter(torch.randn(hidden))  # c_j
        self.log_stiffness = nn.Parameter(torch.tensor(float(stiffness)).log())

    @property
    def stiffness(self) -> Tensor:
        """a."""
        return self.log_stiffness.exp()

    def forward(self, phi: Tensor) -> Tensor:
        """``-grad V``, ``(..., C)`` -> ``(..., C)``."""
        slopes = self.strengths * torch.sigmoid(self.directions(phi))
        return -self.stiffness * phi - slopes @ self.directions.weight

    def potential(self, phi: Tensor) -> Tensor:
        """V, ``(..., C)`` -> ``(...)``."""
        terms = self.strengths * softplus(self.directions(phi))
        return 0.5 * self.stiffness * phi.square().sum(-1) + terms.sum(-1)

    def curvature(self) -> Tensor:
        """A bound of the Hessian's norm: ``a + ||W^T diag(|c|/4) W||``, since a softplus bends by at most 1/4."""
        weight = self.directions.weight * (self.strengths.abs() / 4).sqrt().unsqueeze(1)
        return self.stiffness + torch.linalg.matrix_norm(weight, ord=2).square()
