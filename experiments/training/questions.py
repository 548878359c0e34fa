"""`Questions`: windows of text, and which token is asked for at each of their places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.experiments.baselines.token_counts import NOTHING, TokenCounts
from fieldsolver.experiments.text import EncodedSplit, collate, windows
from fieldsolver.models.parts import IGNORED, masked_batch

HIDING_SEED = 0
"""Of the tokens that are hidden where models are compared: the same for every model and every run."""


@dataclass(frozen=True)
class Questions:
    """Windows of one part of the data. The three splits have the same windows.

    Attributes:
        seen: the ids that a model is shown.
        answers: the ids that it should say, `IGNORED` where nothing is asked.
        before: the ids that stand before the answers in the text, `NOTHING` at the beginning of a window.
        asked: number of answers.
        tokens, unknown: of the whole part, and how many of them are not in the vocabulary.
        size: bytes of the whole part, in UTF-8.
    """

    seen: EncodedSplit
    answers: EncodedSplit
    before: EncodedSplit
    asked: int
    tokens: int
    unknown: int
    size: int

    def __len__(self) -> int:
        return len(self.seen)

    def drawn(self, indices: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Ids, mask and labels of some windows, (B, N) each."""
        batch, answers = collate(self.seen, indices), collate(self.answers, indices)
        return batch.ids, batch.mask, torch.where(batch.mask, answers.ids, IGNORED)

    def loss_of(self, counts: TokenCounts) -> float:
        """Mean cross entropy of the answers under probabilities from counts, in nats per token."""
        asked = self.answers.ids != IGNORED
        logs = counts.log_probabilities(self.before.ids[asked], self.answers.ids[asked])
        return -float(logs.mean())


def next_tokens(texts: EncodedSplit, length: int) -> tuple[EncodedSplit, EncodedSplit, EncodedSplit]:
    """Windows of `length` tokens, each place asking for the token after it: every token but a text's first is asked."""
    pieces = windows(texts, length + 1, overlap=1)
    inputs, answers = ([one[part] for one in _all(pieces)] for part in (slice(None, -1), slice(1, None)))
    seen = EncodedSplit.of(inputs, pieces.labels)
    return seen, EncodedSplit.of(answers, pieces.labels), seen


def whole_windows(texts: EncodedSplit, length: int) -> tuple[EncodedSplit, EncodedSplit, EncodedSplit]:
    """Windows of `length` tokens, each place asking for its own: what is hidden is drawn later."""
    pieces = windows(texts, length)
    before = np.concatenate([np.full(1, NOTHING, np.int32), pieces.ids])[:-1]
    before[pieces.offsets[:-1]] = NOTHING
    return pieces, pieces, EncodedSplit(before, pieces.offsets, pieces.labels)


def hidden_once(
    parts: tuple[EncodedSplit, EncodedSplit, EncodedSplit], vocabulary: int
) -> tuple[EncodedSplit, EncodedSplit, EncodedSplit]:
    """What `whole_windows` gave, with tokens hidden from the same draw every time."""
    pieces, _, before = parts
    ids = torch.from_numpy(pieces.ids).long()[None]
    draws = torch.Generator().manual_seed(HIDING_SEED)
    seen, labels = masked_batch(ids, torch.ones_like(ids, dtype=torch.bool), vocabulary, draws)
    shown, asked = (
        EncodedSplit(one[0].numpy().astype(np.int32), pieces.offsets, pieces.labels) for one in (seen, labels)
    )
    return shown, asked, before


def _all(pieces: EncodedSplit) -> list[np.ndarray]:
    return [pieces[index] for index in range(len(pieces))]
