"""From plain texts and a tokeniser to the questions of a run, and to counts that a model has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fieldsolver.errors import OptionError
from fieldsolver.experiments.baselines.token_counts import BigramCounts, UnigramCounts
from fieldsolver.experiments.data import PlainTexts
from fieldsolver.experiments.text import EncodedSplit, Tokeniser
from fieldsolver.models.parts import IGNORED, MASKED_TOKEN, NEXT_TOKEN, UNKNOWN

from .questions import Questions, hidden_once, next_tokens, whole_windows

Part = Literal["train", "validation", "test"]
WORDS = {"train": "training", "validation": "validation", "test": "test"}


@dataclass(frozen=True)
class LanguageParts:
    """What one run asks.

    Attributes:
        train, validation, test: a masked model's training part has no hidden tokens, the others have.
        known: `counted` of the test part.
    """

    train: Questions
    validation: Questions
    test: Questions
    known: dict[str, float]


def language_parts(data: PlainTexts, tokeniser: Tokeniser, *, predicts: str, length: int) -> LanguageParts:
    """All parts of `data` in windows of `length` tokens.

    Raises:
        OptionError: a part is shorter than a window, or asks nothing.
    """
    train = encoded(tokeniser, data.train)
    asked = questions(train, data, "train", tokeniser, predicts=predicts, length=length, hide=False)
    validation, test = (
        questions(encoded(tokeniser, texts), data, part, tokeniser, predicts=predicts, length=length)
        for part, texts in _held_out(data)
    )
    return LanguageParts(asked, validation, test, counted(train, tokeniser, test))


def encoded(tokeniser: Tokeniser, texts: Sequence[str]) -> EncodedSplit:
    """Ids of whole texts, which have no labels."""
    return EncodedSplit.of(tokeniser.encode(texts), np.zeros(len(texts), dtype=np.int64))


def questions(
    texts: EncodedSplit,
    data: PlainTexts,
    part: Part,
    tokeniser: Tokeniser,
    *,
    predicts: str,
    length: int,
    hide: bool = True,
) -> Questions:
    """One part in windows.

    Args:
        texts: the ids of that part.
        data, part: where they are from.
        tokeniser: that encoded them.
        predicts: ``"next_token"`` or ``"masked_token"``.
        length: tokens of a window.
        hide: choose the tokens that are hidden from a masked model, the same ones every time.

    Raises:
        OptionError: the part is shorter than a window, or asks nothing.
    """
    needed = length + (predicts == NEXT_TOKEN)
    if data.running and texts.tokens < needed:
        raise OptionError(
            f"the {WORDS[part]} part of {data.name} has {texts.tokens:,} tokens and a window has {needed:,}; take a "
            f"smaller --max-length"
        )
    made = next_tokens(texts, length) if predicts == NEXT_TOKEN else whole_windows(texts, length)
    if predicts == MASKED_TOKEN and hide and texts.tokens:
        made = hidden_once(made, tokeniser.size)
    asked = int((made[1].ids != IGNORED).sum())
    if not asked:
        raise OptionError(f"the {WORDS[part]} part of {data.name} has no token to predict; take longer texts")
    size = sum(len(text.encode("utf-8", "replace")) for text in getattr(data, part))
    return Questions(*made, asked, texts.tokens, int((texts.ids == UNKNOWN).sum()), size)


def counted(train: EncodedSplit, tokeniser: Tokeniser, test: Questions) -> dict[str, float]:
    """Losses in nats per token of counts of the training part: of tokens, and of pairs of tokens."""
    return {
        "unigram_loss": test.loss_of(UnigramCounts(train, tokeniser.size)),
        "bigram_loss": test.loss_of(BigramCounts(train, tokeniser.size)),
    }


def _held_out(data: PlainTexts) -> list[tuple[Part, list[str]]]:
    return [("validation", data.validation), ("test", data.test)]
