"""Wave attention: how much one token looks at another is how strongly their waves interfere."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fieldsolver.models.parts import in_heads

from .columns import Columns
from .config import Config
from .other_blocks import may_look
from .representation import represent
from .wave_block import Layered


class WaveAttention(nn.Module):
    """Attention with scores ``sqrt(d) Re sum_k Zq_k conj(Zk_k) / (|Zq| |Zk|)`` per head of d dimensions, pre-norm.

    The score is the interference term of two waves: positive where they are in phase, negative where they are opposed.
    Its size is at most sqrt(d). The columns of the waves run over the tokens. Time and memory grow with N^2.

    Args:
        config: of the network.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.norm = nn.LayerNorm(config.dim)
        self.query, self.key, self.value, self.out = (nn.Linear(config.dim, config.dim) for _ in range(4))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, columns: Columns) -> Layered:
        h = self.norm(x)
        query, key = (self._unit(linear(h), columns) for linear in (self.query, self.key))
        value = in_heads(self.value(h), self.config.heads)
        scale = (self.config.dim // self.config.heads) ** 0.5
        query, key = query.to(value.dtype), key.to(value.dtype)
        key, value = columns.all_read(key), columns.all_read(value)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=may_look(columns), scale=scale)
        return Layered(x + self.dropout(self.out(mixed.transpose(1, 2).flatten(2))))

    def _unit(self, w: Tensor, columns: Columns) -> Tensor:
        """Waves as real vectors of length 1 per head, (B, heads, N, 2d): their dot product is the real part above."""
        z = represent(w, columns, amplitude=self.config.amplitude, eps=self.config.eps)
        both = torch.cat([in_heads(part, self.config.heads) for part in z], -1)
        return F.normalize(both, dim=-1, eps=1e-12)
