"""The blocks of a hybrid that are no waves: attention as in a transformer, and a perceptron for each token."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fieldsolver.errors import StateError
from fieldsolver.models.parts import in_heads

from .columns import Columns
from .config import Config
from .wave_block import Layered

LONGEST = 16_384
"""Tokens of a text whose pairs fit in memory: 268 million of them."""


class Attention(nn.Module):
    """Softmax attention with several heads, pre-norm (Vaswani et al. 2017; Xiong et al. 2020).

    Args:
        config: of the network.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads = config.heads
        self.norm = nn.LayerNorm(config.dim)
        self.query, self.value, self.out = (nn.Linear(config.dim, config.dim) for _ in range(3))
        self.key = nn.Linear(config.dim, config.dim, bias=False)  # a bias of keys cancels in the softmax
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, columns: Columns) -> Layered:
        h = self.norm(x)
        query, key, value = (in_heads(linear(h), self.heads) for linear in (self.query, self.key, self.value))
        mixed = F.scaled_dot_product_attention(
            query, columns.all_read(key), columns.all_read(value), attn_mask=may_look(columns)
        )
        return Layered(x + self.dropout(self.out(mixed.transpose(1, 2).flatten(2))))


class Perceptron(nn.Module):
    """Two linear maps with GELU between them, for each token by itself, pre-norm.

    With `expansion` 2 it has as many parameters as a wave block with the read-out ``"re_im"``, to the last one.

    Args:
        config: of the network.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        hidden = config.expansion * config.dim
        self.norm = nn.LayerNorm(config.dim)
        self.net = nn.Sequential(nn.Linear(config.dim, hidden), nn.GELU(), nn.Linear(hidden, config.dim))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, columns: Columns) -> Layered:
        return Layered(x + self.dropout(self.net(self.norm(x))))


def may_look(columns: Columns) -> Tensor:
    """bool (B, 1, N, M): which token, in rows, may look at which of all that were read; (N, N) without a memory.

    Everyone sees himself: a softmax needs something.

    Raises:
        StateError: more than `LONGEST` tokens.
    """
    real = columns.all_read(columns.mask.unsqueeze(-1)).squeeze(-1)
    own, places = columns.mask.shape[1], real.shape[1]
    if places > LONGEST:
        raise StateError(
            f"attention compares all pairs of tokens, and takes at most {LONGEST:,}; got {places:,}: cut the texts "
            "(max_length) or take blocks of waves alone"
        )
    here = torch.eye(places, dtype=torch.bool, device=real.device)[places - own :]
    allowed = real.unsqueeze(1)
    if columns.causal:
        allowed = allowed & torch.ones_like(here).tril(places - own)
    return (allowed | here).unsqueeze(1)
