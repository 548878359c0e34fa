"""Tokens to vectors: a table, positions, and a linear map to the channels of the field."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from fieldsolver.errors import StateError
from fieldsolver.models.parts import PAD, pair_ids, sinusoids

from .config import Config


class TokenVectors(nn.Module):
    """Ids (B, N) with mask (B, N) to token vectors (B, N, C), zero on padding."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        size = config.embedding
        self.table = _table(config.vocabulary, config, padding=PAD)
        self.pairs = _table(config.bigrams, config) if config.bigrams else None
        self.positions = _positions(config)
        self.project = nn.Linear(size, config.channels) if config.projection else nn.Identity()
        self.dropout = nn.Dropout(config.dropout)
        self.word_dropout = config.word_dropout

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(B, N, C)"""
        vectors = self.table(ids)
        if self.pairs is not None:
            vectors = vectors + self.pairs(pair_ids(ids, self.pairs.num_embeddings))
        if self.positions is not None:
            vectors = vectors + self.positions(ids.shape[1], vectors)
        vectors = self.project(self.dropout(vectors))
        return vectors * self._kept(mask).unsqueeze(-1).to(vectors)

    def _kept(self, mask: Tensor) -> Tensor:
        """The real tokens, fewer of them while training with word dropout."""
        if not (self.training and self.word_dropout):
            return mask
        return mask & (torch.rand(mask.shape, device=mask.device) >= self.word_dropout)


class Sinusoidal(nn.Module):
    """Sines and cosines of positions, with a trained amplitude; any length."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.amplitude = nn.Parameter(torch.full((size,), 0.02))

    def forward(self, count: int, like: Tensor) -> Tensor:
        """(N, E) in the dtype and on the device of `like`."""
        places = torch.arange(count, device=like.device)
        return self.amplitude * sinusoids(places, len(self.amplitude)).to(like.dtype)


class Learned(nn.Module):
    """A vector per position, N(0, 0.02^2) at the start, for so many positions."""

    def __init__(self, size: int, length: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(length, size) * 0.02)

    def forward(self, count: int, like: Tensor) -> Tensor:
        """(N, E); raises `StateError` for more tokens than there are positions."""
        if count > len(self.table):
            raise StateError(
                f"the text has {count} tokens and the model learned positions for {len(self.table)}; cut the text, or "
                "make the model with positions='sinusoidal' or a larger max_length"
            )
        return self.table[:count]


def _table(rows: int, config: Config, padding: int | None = None) -> nn.Embedding:
    """Rows N(0, scale^2 / E), so that vectors have about the length `scale`; the padding's is zero."""
    table = nn.Embedding(rows, config.embedding, padding_idx=padding)
    with torch.no_grad():
        table.weight.mul_(config.scale / math.sqrt(config.embedding))
    return table


def _positions(config: Config) -> nn.Module | None:
    if config.positions == "learned":
        return Learned(config.embedding, config.max_length)
    return Sinusoidal(config.embedding) if config.positions == "sinusoidal" else None
