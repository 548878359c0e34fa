"""A text model and encoded texts of a few lines, for tests of the trainer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from fieldsolver.experiments.text import EncodedSplit
from fieldsolver.models.parts import Answer, TextModel, masked_mean


@dataclass(frozen=True)
class Config:
    vocabulary: int = 50
    classes: int = 3
    dim: int = 8
    dropout: float = 0.0
    weight: float = 0.0


class MeanModel(TextModel):
    """The mean of embeddings through a small perceptron; pays for large outputs."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.embedding = nn.Embedding(config.vocabulary, config.dim)
        self.first, self.last = nn.Linear(config.dim, 16), nn.Linear(16, config.classes)
        self.scale = nn.Parameter(torch.tensor(1.0))  # of no axis, as in declared equations
        self.dropout = nn.Dropout(config.dropout)

    def answer(self, ids: Tensor, mask: Tensor) -> Answer:
        mean = masked_mean(self.embedding(ids), mask)
        logits = self.scale * self.last(self.dropout(torch.tanh(self.first(mean))))
        return Answer(logits, self.config.weight * logits.square().mean(), mask.sum(1).float())


def mean_model(seed: int = 1, dropout: float = 0.0, weight: float = 0.0) -> MeanModel:
    torch.manual_seed(seed)
    return MeanModel(Config(dropout=dropout, weight=weight))


def texts(number: int, seed: int = 0, longest: int = 20) -> EncodedSplit:
    """Each class has its own range of ids, and noise; texts of 0 to `longest` tokens."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, number)
    ids = []
    for label in labels:
        length = int(random.integers(0, longest + 1))
        own = 2 + 16 * label + random.integers(0, 16, length)
        ids.append(np.where(random.random(length) < 0.5, own, random.integers(2, 50, length)))
    return EncodedSplit.of(ids, labels)
