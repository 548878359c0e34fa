"""A field in noise: ``dphi = (D laplacian(phi) - phi + F(phi) + I) dt + sigma dW``, a trained sigma per channel.

sigma does not depend on phi, so Ito and Stratonovich are the same, and Euler-Maruyama is of strong order 1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .dynamics import Dynamics
from .medium import Medium


class StochasticField(Dynamics):
    """A reaction-diffusion field with white noise along the line while it trains, and without noise in evaluation.

    Args:
        channels: C.
        duration, steps: of the Euler-Maruyama run.
        sigma: first strength of the noise, positive; it stays so.
        sample: noise in evaluation too, from torch's generator: an ensemble member rather than the path without noise.
    """

    def __init__(self, channels: int, *, duration: float, steps: int, sigma: float = 0.1, sample: bool = False) -> None:
        super().__init__(channels, duration=duration, steps=steps)
        self.medium = Medium(channels, self.dt)
        self.raw_sigma = nn.Parameter(torch.full((channels,), math.log(math.expm1(sigma))))
        self.sample = sample

    def evolve(self, features: Tensor, mask: Tensor) -> Tensor:
        """Euler-Maruyama; gradients pass through the steps, along the path that was drawn."""
        noisy, sigma = self.training or self.sample, nn.functional.softplus(self.raw_sigma)
        phi = features
        for _ in range(self.steps):
            rate = self.medium(phi, features, mask)
            kick = math.sqrt(self.dt) * sigma * torch.randn_like(phi) if noisy else 0.0
            phi = phi + self.dt * rate + kick
        return phi
