"""`Transformer`: attention between all tokens of a text, in blocks that normalise first."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fieldsolver.models.parts import PAD, Answer, TextModel, masked_mean

from .config import Config


class Transformer(TextModel):
    """Encoder with sinusoidal positions (Vaswani et al. 2017), pre-norm blocks (Xiong et al. 2020), a masked mean.

    Padding is neither attended to nor averaged.
    """

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.tokens = nn.Embedding(config.vocabulary, config.embedding, padding_idx=PAD)
        nn.init.normal_(self.tokens.weight, std=0.02)  # as BERT
        same = config.embedding == config.width
        self.enter = nn.Identity() if same else nn.Linear(config.embedding, config.width, bias=False)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.width, config.classes)

    def answer(self, ids: Tensor, mask: Tensor) -> Answer:
        """Logits (B, K)."""
        state = self.enter(self.tokens(ids))
        # The factor of Vaswani et al. 2017, section 3.4. Embeddings of length 1 were tried and learn worse.
        state = math.sqrt(self.config.width) * state + sinusoids(ids.shape[1], self.config.width).to(state)
        state = self.dropout(state)
        # An empty text attends to its padding: a softmax over nothing would be NaN; the pooling leaves it out.
        attended = (mask | ~mask.any(1, keepdim=True))[:, None, None, :]
        for block in self.blocks:
            state = block(state, attended)
        logits = self.head(self.dropout(masked_mean(self.norm(state), mask)))
        return Answer(logits, logits.new_zeros(()), logits.new_zeros(len(logits)))


class Block(nn.Module):
    """x + attention(norm x), then x + perceptron(norm x)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.inner = nn.Linear(width, 3 * width)
        self.outer = nn.Linear(width, width)
        self.perceptron = nn.Sequential(
            nn.Linear(width, config.expansion * width), nn.GELU(), nn.Linear(config.expansion * width, width)
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, state: Tensor, attended: Tensor) -> Tensor:
        """State (B, N, width); attended: bool (B, 1, 1, N)."""
        state = state + self.dropout(self._attention(self.first(state), attended))
        return state + self.dropout(self.perceptron(self.second(state)))

    def _attention(self, state: Tensor, attended: Tensor) -> Tensor:
        batch, length, width = state.shape
        split = self.inner(state).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        # Without dropout: with it the CPU has no fused attention, and keeps n x n numbers.
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=attended)
        return self.outer(mixed.transpose(1, 2).reshape(batch, length, width))


def build(config: Config) -> Transformer:
    """A transformer with fresh weights."""
    return Transformer(config)


def sinusoids(length: int, width: int) -> Tensor:
    """Positions (N, width): sines and cosines of wavelengths from 2 pi to 10000 * 2 pi."""
    rates = torch.exp(-math.log(10_000) * torch.arange(0, width, 2) / width)
    angles = torch.arange(length).unsqueeze(1) * rates
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1)
