"""From the field to an answer: pooled over real tokens, or at every token."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fieldsolver.models.parts import POOLS, pooled

from .config import Config


class Readout(nn.Module):
    """Field (B, N, C) and token vectors (B, N, C) to logits (B, K), or (B, N, K) of every token."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.kind, self.skip = config.readout, config.skip
        seen = config.channels * (2 if config.skip else 1)
        self.query = nn.Linear(seen, 1, bias=False) if config.readout == "attention" else None
        pooled = seen * (2 if config.readout == "mean_max" else 1)
        self.head = _head(pooled, config.hidden, config.classes, config.head_dropout)

    def forward(self, field: Tensor, vectors: Tensor, mask: Tensor) -> Tensor:
        """Real tokens stand first in every row of mask (B, N)."""
        parts = (field, vectors) if self.skip else (field,)
        if self.kind in POOLS:
            seen = torch.cat([pooled(self.kind, part, mask) for part in parts], -1)
        elif self.kind == "last":
            seen = _last(torch.cat(parts, -1), mask)
        else:
            seen = torch.cat(parts, -1)
            seen = seen if self.query is None else _attended(seen, self.query(seen), mask)
        logits: Tensor = self.head(seen)
        return logits


def _attended(seen: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
    """The mean by weights softmax(scores), (B, N, 1), over real tokens; zero for a text without any."""
    scores = torch.where(mask, scores.squeeze(-1), torch.finfo(seen.dtype).min)
    weights = torch.where(mask, torch.softmax(scores, 1), 0)
    return (weights.unsqueeze(1) @ seen).squeeze(1)


def _last(seen: Tensor, mask: Tensor) -> Tensor:
    """The last token of each text, (B, N, C) -> (B, C)."""
    last = (mask.sum(1) - 1).clamp(min=0)
    return seen.take_along_dim(last.reshape(-1, 1, 1), 1).squeeze(1) * mask.any(1, keepdim=True)


def _head(pooled: int, hidden: int, classes: int, dropout: float) -> nn.Module:
    if not hidden:
        return nn.Sequential(nn.Dropout(dropout), nn.Linear(pooled, classes))
    return nn.Sequential(nn.Linear(pooled, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, classes))
