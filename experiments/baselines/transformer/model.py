"""`Transformer`: attention between all tokens of a text, in blocks that normalise first."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from fieldsolver.models.parts import PAD, Answer, MaskedAttention, TextModel, masked_mean, sinusoids

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
        places = torch.arange(ids.shape[1], device=ids.device)
        # The factor of Vaswani et al. 2017, section 3.4. Embeddings of length 1 were tried and learn worse.
        state = math.sqrt(self.config.width) * state + sinusoids(places, self.config.width).to(state)
        state = self.dropout(state)
        for block in self.blocks:
            state = block(state, mask)
        logits = self.head(self.dropout(masked_mean(self.norm(state), mask)))
        return Answer(logits, logits.new_zeros(()), logits.new_zeros(len(logits)))


class Block(nn.Module):
    """x + attention(norm x), then x + perceptron(norm x)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config.width
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = MaskedAttention(width, config.heads)
        self.perceptron = nn.Sequential(
            nn.Linear(width, config.expansion * width), nn.GELU(), nn.Linear(config.expansion * width, width)
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, state: Tensor, mask: Tensor) -> Tensor:
        """State (B, N, width); mask (B, N)."""
        state = state + self.dropout(self.attention(self.first(state), mask))
        return state + self.dropout(self.perceptron(self.second(state)))


def build(config: Config) -> Transformer:
    """A transformer with fresh weights."""
    return Transformer(config)
