"""The wave layer: two linear variants of the tokens, as waves, become one, which is read out."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .columns import Columns
from .config import Config
from .energy import conserving_interference, conserving_modulation
from .phase_diversity import phase_concentration
from .readouts import readout
from .representation import represent
from .superposition import interference, mixture, modulation, normalised
from .wave import Wave


class Layered(NamedTuple):
    """What a block makes of the tokens.

    Attributes:
        x: (B, N, D).
        concentration: scalar, how alike the phases of a sample are, in the mean over the batch; None without phases.
        evaluations: right-hand sides evaluated per sample.
    """

    x: Tensor
    concentration: Tensor | None = None
    evaluations: int = 0


class WaveBlock(nn.Module):
    """``x + dropout(read(Z1 op Z2))`` with ``Z_i`` the waves of ``A_i norm(x) + b_i``.

    Without `residual` it is ``dropout(read(Z1 op Z2))`` with the waves of ``A_i x + b_i``, as in the paper.
    Padding is left out after the linear maps: their bias would otherwise make a padded token count in every column.

    Args:
        config: of the network.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        self.norm = nn.LayerNorm(dim) if config.residual else nn.Identity()
        self.first, self.second = nn.Linear(dim, dim), nn.Linear(dim, dim)
        for linear in (self.first, self.second):
            nn.init.orthogonal_(linear.weight)
            nn.init.zeros_(linear.bias)
        self.mix = nn.Parameter(torch.zeros(())) if config.mode == "learnable" else None
        self.read = readout(config.readout, dim)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, columns: Columns) -> Layered:
        z = self.superposed(*self.waves(x, columns), columns)
        read = self.dropout(self.read(Wave(z.real.to(x.dtype), z.imaginary.to(x.dtype))))
        x = x + read if self.config.residual else read
        return Layered(x, self._concentration(z, columns) if self.config.phase_diversity else None)

    def waves(self, x: Tensor, columns: Columns) -> tuple[Wave, Wave]:
        """The two variants of the tokens (B, N, D) as waves."""
        x = self.norm(x)
        one, other = (
            represent(linear(x), columns, amplitude=self.config.amplitude, eps=self.config.eps)
            for linear in (self.first, self.second)
        )
        return one, other

    def superposed(self, one: Wave, other: Wave, columns: Columns) -> Wave:
        """Both as one wave, in the mode of the configuration."""
        if self.mix is not None:
            return mixture(one, other, torch.sigmoid(self.mix), columns)
        if self.config.mode == "modulation":
            z = conserving_modulation(one, other) if self.config.conserve else modulation(one, other)
        else:
            z = conserving_interference(one, other, columns) if self.config.conserve else interference(one, other)
        return normalised(z, columns) if self.config.normalise else z

    def _concentration(self, z: Wave, columns: Columns) -> Tensor:
        """The mean over samples, in the causal form over all real tokens."""
        found = phase_concentration(z, columns)
        if not columns.causal:
            return found.mean()
        return torch.where(columns.mask, found, 0).sum() / columns.mask.sum().clamp(min=1)
