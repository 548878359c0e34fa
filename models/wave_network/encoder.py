"""`WaveEncoder`: the blocks of a configuration, one after the other, and the pool over tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from fieldsolver.models.parts import pooled

from .columns import Columns
from .config import Config
from .continuous import ContinuousWave
from .memory import Memory
from .nls_block import SchrodingerBlock
from .other_blocks import Attention, Perceptron
from .wave_attention import WaveAttention
from .wave_block import Layered, WaveBlock

MAKERS: dict[str, Callable[[Config], nn.Module]] = {
    "wave": WaveBlock,
    "wave_attention": WaveAttention,
    "attention": Attention,
    "mlp": Perceptron,
    "nls": SchrodingerBlock,
    "continuous": ContinuousWave,
}


class WaveEncoder(nn.Module):
    """Token vectors (B, N, D) to token vectors, whatever the tokens are: words, patches of an image, frames of a sound.

    Args:
        config: its `dim` and `blocks`, and all that is said of blocks.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.blocks = nn.ModuleList(MAKERS[name](config) for name in config.blocks)
        self.norm = nn.LayerNorm(config.dim)

    def forward(self, x: Tensor, mask: Tensor, memory: Memory | None = None) -> Layered:
        """The vectors after all blocks and the norm, the mean concentration of phases, and all evaluations."""
        columns = self.columns(mask, memory)
        concentrations, evaluations = [], 0
        for block in self.blocks:
            layered = cast("Layered", block(x, columns))
            x, evaluations = layered.x, evaluations + layered.evaluations
            if layered.concentration is not None:
                concentrations.append(layered.concentration)
        mean = torch.stack(concentrations).mean() if concentrations else None
        return Layered(self.norm(x), mean, evaluations)

    def columns(self, mask: Tensor, memory: Memory | None = None) -> Columns:
        """Sums over the tokens of this mask (B, N), as the configuration wants them."""
        return Columns(mask, self.config.causal, self.config.forgetting, memory)

    def pooled(self, x: Tensor, mask: Tensor) -> Tensor:
        """One vector per sample, (B, `width`)."""
        return pooled(self.config.pool, x, mask)

    @property
    def width(self) -> int:
        """Numbers of a pooled vector."""
        return self.config.dim * (2 if self.config.pool == "mean_max" else 1)
