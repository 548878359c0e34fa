"""Liquid time constants: a recurrent field whose time constants depend on what it reads.

    dx/dt = -(1/tau + f(x, I)) x + f(x, I) A,    x_+ = (x + dt f A)/(1 + dt (1/tau + f))

with the fused semi-implicit step of R. Hasani, M. Lechner, A. Amini, D. Rus and R. Grosu, AAAI (2021), equation 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .dynamics import Dynamics


class LiquidField(Dynamics):
    """A reader from left to right, for comparison: it is recurrent and takes `steps` steps at every token.

    The state stays between the smallest and the largest of 0 and A, for any step (Hasani et al., theorem 2).

    Args:
        channels: C.
        duration: time per token.
        steps: semi-implicit steps per token.
    """

    def __init__(self, channels: int, *, duration: float, steps: int) -> None:
        super().__init__(channels, duration=duration, steps=steps)
        self.gate = nn.Linear(2 * channels, channels)
        self.A = nn.Parameter(torch.randn(channels))
        self.raw_rate = nn.Parameter(torch.full((channels,), 0.5413))  # softplus gives 1

    def evolve(self, features: Tensor, mask: Tensor) -> Tensor:
        """The state after every token; padding leaves it as it is."""
        rate = nn.functional.softplus(self.raw_rate)
        x, read = torch.zeros_like(features[:, 0]), []
        for token, real in zip(features.unbind(1), mask.unbind(1), strict=True):
            new = x
            for _ in range(self.steps):
                f = torch.sigmoid(self.gate(torch.cat([new, token], -1)))
                new = (new + self.dt * f * self.A) / (1 + self.dt * (rate + f))
            x = torch.where(real[:, None], new, x)
            read.append(x)
        return torch.stack(read, 1)
