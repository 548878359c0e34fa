"""A diagonal linear state-space model along the text, for comparison.

    dx/dt = diag(lambda) x + B u,    y = 2 Re(C x) + D u,    lambda_n = -1/2 + i pi n

held constant over each token and convolved by FFT: S4D-Lin of A. Gu, A. Gupta, K. Goel and C. Re, NeurIPS (2022).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .dynamics import Dynamics


class StateSpaceField(Dynamics):
    """One linear system of `modes` oscillators per channel, then a mix of channels; it reads from left to right.

    Args:
        channels: C.
        duration: first time per token of the slowest channel; the fastest has a hundredth. The steps are trained.
        steps: unused by a linear system, whose answer is exact; 1 is counted.
        modes: number of oscillators per channel.
    """

    def __init__(self, channels: int, *, duration: float, steps: int, modes: int = 16) -> None:
        super().__init__(channels, duration=duration, steps=1)
        spread = torch.linspace(math.log(duration / 100), math.log(duration), channels)
        self.log_step = nn.Parameter(spread)
        self.log_decay = nn.Parameter(torch.full((channels, modes), math.log(0.5)))
        self.frequency = nn.Parameter(math.pi * torch.arange(modes).float().repeat(channels, 1))
        self.C = nn.Parameter(torch.randn(channels, modes, 2) / math.sqrt(2 * modes))
        self.D = nn.Parameter(torch.ones(channels))
        self.mix = nn.Linear(channels, channels)

    def kernel(self, length: int) -> Tensor:
        """The impulse response at 0 ... length - 1, (C, length)."""
        poles = torch.complex(-torch.exp(self.log_decay), self.frequency)
        turn = poles * torch.exp(self.log_step)[:, None]
        gain = torch.view_as_complex(self.C) * torch.expm1(turn) / poles  # zero-order hold, B = 1
        powers = torch.exp(turn[..., None] * torch.arange(length, device=turn.device))
        return 2 * torch.einsum("cm,cml->cl", gain, powers).real

    def evolve(self, features: Tensor, mask: Tensor) -> Tensor:
        """The causal convolution with the impulse response."""
        length = features.shape[1]
        u = features.transpose(1, 2)
        spectrum = torch.fft.rfft(u, 2 * length) * torch.fft.rfft(self.kernel(length).to(u), 2 * length)
        y = torch.fft.irfft(spectrum, 2 * length)[..., :length] + self.D[:, None] * u
        return self.mix(nn.functional.gelu(y.transpose(1, 2)))
