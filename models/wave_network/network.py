"""`WaveNetwork`: an embedding, an encoder, and a head for texts or for tokens."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fieldsolver.models.parts import Answer, TextModel

from .config import Config
from .embedding import TokenEmbedding
from .encoder import WaveEncoder
from .wave_block import Layered


class WaveNetwork(TextModel):
    """Token ids to logits: (B, K) for texts, (B, N, vocabulary) for tokens.

    Source: Zhang and Sheng, "Wave Network: an ultra-small language model", arXiv 2411.02674. The preset ``"paper"`` is
    its single layer; where the paper leaves a choice, the configuration says which one is made.

    Args:
        config: what the network is.
    """

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.embedding = TokenEmbedding(config)
        self.encoder = WaveEncoder(config)
        self.dropout = nn.Dropout(config.dropout)
        if config.head == "classes":
            self.head: nn.Module = nn.Linear(self.encoder.width, config.classes)
        else:
            self.head = TiedHead(self.embedding.words)

    def answer(self, ids: Tensor, mask: Tensor) -> Answer:
        encoded = cast("Layered", self.encoder(self.embedding(ids, mask), mask))
        read = self.encoder.pooled(encoded.x, mask) if self.config.head == "classes" else encoded.x
        logits = self.head(self.dropout(read))
        penalty = logits.new_zeros(())
        if encoded.concentration is not None:
            penalty = self.config.phase_diversity * encoded.concentration
        return Answer(logits, penalty, logits.new_full((ids.shape[0],), encoded.evaluations).detach())


class TiedHead(nn.Module):
    """Logits of tokens by the embedding's own weights (Press, Wolf 2017), and a bias.

    Args:
        words: the embedding; its weights count once.
    """

    def __init__(self, words: nn.Embedding) -> None:
        super().__init__()
        self.words = words
        self.bias = nn.Parameter(torch.zeros(words.num_embeddings))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.words.weight, self.bias)
