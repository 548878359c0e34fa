"""`Medium`: the field and the rates that the variants share."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from fieldsolver.models.wavenet_neuro.reactions import Perceptron

from .line import laplacian


class BoundedRate(nn.Module):
    """Trained diffusivities, one per channel, that an explicit step never outruns.

    ``D = limit rho^2/(1 + rho^2)``: zero at rho = 0 and below the limit everywhere. An explicit Euler step of diffusion
    on a line obeys the maximum principle for ``D <= 1/(2 dt)``; the limit is half of that, which leaves as much for the
    reaction.

    Args:
        channels: their number.
        dt: the step.
        start: the first value, below the limit.
        stretch: smallest distance between neighbours, where it is not 1.
    """

    def __init__(self, channels: int, dt: float, start: float = 0.1, stretch: float = 1.0) -> None:
        super().__init__()
        self.limit = stretch**2 / (4 * dt)
        share = min(start / self.limit, 0.5)
        self.rho = nn.Parameter(torch.full((channels,), math.sqrt(share / (1 - share))))

    def forward(self) -> Tensor:
        """(C,)"""
        squared = self.rho.square()
        return self.limit * squared / (1 + squared)


class Medium(nn.Module):
    """``dphi/dt = D laplacian(phi) - phi + F(phi) + I``: the field that most variants change in one respect.

    Args:
        channels: C.
        dt: the step that will be taken.
        diffusion: the first diffusivity.
    """

    def __init__(self, channels: int, dt: float, diffusion: float = 0.1) -> None:
        super().__init__()
        self.diffusivity = BoundedRate(channels, dt, diffusion)
        self.react = Perceptron(channels, 2 * channels)

    def forward(self, phi: Tensor, source: Tensor, mask: Tensor) -> Tensor:
        """The rate, (B, N, C)."""
        return self.diffusivity() * laplacian(phi, mask) - phi + self.react(phi) + source
