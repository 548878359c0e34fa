"""Ids become vectors: a table, where the token stands, and which token stood before it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fieldsolver.models.parts import pair_ids, sinusoids

from .config import Config
from .memory import Memory


class TokenEmbedding(nn.Module):
    """Ids (B, N) to vectors (B, N, D).

    Args:
        config: of the network.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.words = _table(config.vocabulary, config.dim, config.embedding)
        self.pairs = _table(config.bigrams, config.dim, config.embedding) if config.bigrams else None

    def forward(self, ids: Tensor, mask: Tensor, memory: Memory | None = None) -> Tensor:
        """Vectors; a token left out by `word_dropout` is a vector of zeros."""
        x = self.words(ids)
        if self.pairs is not None:
            x = x + self.pairs(_pairs(ids, mask, self.config.bigrams, memory))
        if self.config.positions == "sinusoidal":
            x = x + self.config.position_scale * sinusoids(places_of(mask, memory), self.config.dim).to(x.dtype)
        if self.training and self.config.word_dropout:
            keep = torch.rand(ids.shape, device=ids.device) >= self.config.word_dropout
            x = x * keep.unsqueeze(-1)
        return F.dropout(x, self.config.embedding_dropout, self.training)


def places_of(mask: Tensor, memory: Memory | None = None) -> Tensor:
    """The place of every token among the real ones, (B, N), from 0; a piece goes on where the one before ended."""
    number = mask.cumsum(1)
    if memory is not None:
        number = number + memory.value_before(number)
        memory.keep(number[:, -1:])
    return number - 1


def _pairs(ids: Tensor, mask: Tensor, rows: int, memory: Memory | None) -> Tensor:
    """Rows of the pairs (B, N); the first token of a piece follows the last of the piece before."""
    if memory is None:
        return pair_ids(ids, rows, mask)
    before = memory.value_before(ids)
    memory.keep(ids[:, -1:])
    return pair_ids(ids, rows, mask, before)


def _table(rows: int, dim: int, kind: str) -> nn.Embedding:
    table = nn.Embedding(rows, dim)
    with torch.no_grad():
        if kind == "normal":
            table.weight.normal_(0.0, 0.02)
        else:
            table.weight.uniform_(-0.1, 0.1)
        if kind == "unit":
            table.weight.copy_(F.normalize(table.weight, dim=-1))
    return table
