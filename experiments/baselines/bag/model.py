"""`BagOfEmbeddings`: the order of words matters only within pairs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fieldsolver.models.parts import PAD, Answer, TextModel, pair_ids

from .config import Config


class BagOfEmbeddings(TextModel):
    """Mean of the embeddings of a text's words and pairs of words, then a linear map.

    A. Joulin, E. Grave, P. Bojanowski, T. Mikolov, Bag of tricks for efficient text classification, EACL 2017; here
    the tables are trained by the same optimiser as every other network, and dropout is added.
    """

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.words = nn.Embedding(config.vocabulary, config.dim, padding_idx=PAD)
        self.pairs = nn.Embedding(config.buckets, config.dim) if config.buckets else None
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.dim, config.classes)
        for table in (self.words, self.pairs):
            if table is not None:
                nn.init.uniform_(table.weight, -1 / config.dim, 1 / config.dim)  # as in the paper's program

    def answer(self, ids: Tensor, mask: Tensor) -> Answer:
        """Logits (B, K); an empty text is answered by the bias."""
        total = _sum(self.words(ids), mask)
        number = mask.sum(1, keepdim=True)
        if self.pairs is not None:
            total = total + _sum(self.pairs(pair_ids(ids, self.pairs.num_embeddings, mask)), mask)
            number = 2 * number
        logits = self.head(self.dropout(total / number.clamp(min=1)))
        return Answer(logits, logits.new_zeros(()), logits.new_zeros(len(logits)))


def build(config: Config) -> BagOfEmbeddings:
    """A bag with fresh weights."""
    return BagOfEmbeddings(config)


def _sum(values: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask.unsqueeze(-1), values, 0).sum(1)
