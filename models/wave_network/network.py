"""`WaveNetwork`: an embedding, an encoder, and a head for texts or for tokens."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fieldsolver.errors import OptionError, StateError
from fieldsolver.models.parts import Answer, TextModel, checked_tokens

from .config import Config
from .embedding import TokenEmbedding
from .encoder import WaveEncoder
from .memory import Memory
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
        return self._read(encoded, read)

    def answer_at(self, ids: Tensor, mask: Tensor, places: Tensor) -> Answer:
        """See `TextModel.answer_at`: the head, with a row for every word, is asked at these places alone."""
        encoded = cast("Layered", self.encoder(self.embedding(ids, mask), mask))
        return self._read(encoded, encoded.x[places])

    def _read(self, encoded: Layered, read: Tensor) -> Answer:
        logits = self.head(self.dropout(read))
        penalty = logits.new_zeros(())
        if encoded.concentration is not None:
            penalty = self.config.phase_diversity * encoded.concentration
        return Answer(logits, penalty, logits.new_full((len(encoded.x),), encoded.evaluations).detach())

    def read_on(self, ids: Tensor, memory: Memory | None = None) -> tuple[Tensor, Memory]:
        """Logits of the token after each of these, which go on a text that was read before.

        In pieces, whatever their lengths, a text gives what it gives as a whole. Waves keep as many numbers of a long
        text as of a short one; attention blocks keep keys and values of all its tokens.

        Args:
            ids: (B, N), N at least 1, without padding.
            memory: that came with the piece before; None: the text begins.

        Returns:
            Logits (B, N, V), and the memory for the next piece.

        Raises:
            OptionError: a network whose tokens see later ones.
            StateError: no token, or ids outside the vocabulary.
        """
        if not self.config.causal or self.config.head == "classes":
            raise OptionError("to read on needs a network with causal=True and a head for tokens, such as 'next_token'")
        if ids.dim() != 2 or ids.shape[1] == 0:
            raise StateError(f"a text has the shape (B, N) with N at least 1, got {tuple(ids.shape)}")
        ids, mask = checked_tokens(ids, None, self.config.vocabulary)
        now = Memory(None if memory is None else memory.kept)
        encoded = cast("Layered", self.encoder(self.embedding(ids, mask, now), mask, now))
        return self.head(self.dropout(encoded.x)), now


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
