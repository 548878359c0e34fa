"""A wave equation as a block: the nonlinear Schroedinger equation of `schrodinger`, for a fixed time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .columns import Columns
from .config import Config
from .representation import represent
from .schrodinger import SplitStep, hermitian
from .superposition import normalised
from .wave import Wave, as_complex, as_wave
from .wave_block import Layered


class SchrodingerBlock(nn.Module):
    """``x + dropout(A [Re, Im] z(T))``, where z starts as the wave of ``norm(x)`` and moves without loss of norm.

    Args:
        config: of the network.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        self.norm, self.lift = nn.LayerNorm(dim), nn.Linear(dim, dim)
        self.coupling = nn.Parameter(torch.randn(dim, dim) / dim**0.5)
        self.hopping, self.nonlinearity = nn.Parameter(torch.full((dim,), 0.5)), nn.Parameter(torch.full((dim,), 0.5))
        self.out = nn.Linear(2 * dim, dim)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, columns: Columns) -> Layered:
        z = self.evolved(self.start(x, columns), columns.mask)
        read = self.out(torch.cat([z.real, z.imaginary], -1).to(x.dtype))
        return Layered(x + self.dropout(read), None, self.config.steps)

    def start(self, x: Tensor, columns: Columns) -> Wave:
        """The wave of the tokens, with columns of root mean square 1."""
        z = represent(self.lift(self.norm(x)), columns, amplitude=self.config.amplitude, eps=self.config.eps)
        return normalised(z, columns)

    def evolved(self, z: Wave, mask: Tensor) -> Wave:
        """The wave after `duration`. Tokens with padding between them are neighbours all the same."""
        wide = torch.promote_types(self.coupling.dtype, torch.float32)
        coefficients = (self.hopping.to(wide), self.nonlinearity.to(wide))
        step = SplitStep.of(hermitian(self.coupling.to(wide)), *coefficients, self.config.duration / self.config.steps)
        order = torch.argsort((~mask).to(torch.uint8), dim=1, stable=True)  # real tokens first, in their order
        places = order.unsqueeze(-1).expand_as(z.real)
        moving, mask = as_complex(z).to(step.turn.dtype).gather(1, places), mask.gather(1, order)
        for _ in range(self.config.steps):
            moving = step(moving, mask)
        return as_wave(torch.zeros_like(moving).scatter(1, places, moving))
