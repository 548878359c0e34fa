"""`TextModel`: what every architecture for text looks like from outside."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from fieldsolver.errors import OptionError, StateError

from .answer import Answer
from .prediction import CLASSES, NEXT_TOKEN, prediction_of
from .tokens import checked_places, checked_tokens


class TextModel(nn.Module, ABC):
    """Token ids in, logits out. Padding, neighbours in the batch and the batch's size change no answer.

    A model keeps nothing between calls: what it said of a batch besides the logits is in its `Answer`.

    Args:
        config: a frozen dataclass of plain numbers and names, with at least `vocabulary`, and `classes` of a model that
            answers with classes; ``head`` of one that may predict tokens (see `prediction_of`).

    Attributes:
        handed_on: names of the parts that do not depend on what is predicted (see `adopt`).
    """

    handed_on: ClassVar[tuple[str, ...]] = ("embedding", "encoder")

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def answer(self, ids: Tensor, mask: Tensor) -> Answer:
        """The answer for checked tokens: ids (B, N), int64; mask (B, N), True on real tokens."""

    def answer_at(self, ids: Tensor, mask: Tensor, places: Tensor) -> Answer:
        """The answer of a model that predicts tokens at some places only, with logits (M, V) in their order.

        Here all places are answered; a model whose last layer is what costs most overrides this.

        Args:
            ids, mask: as in `answer`.
            places: bool (B, N), True at M of them.
        """
        answer = self.answer(ids, mask)
        return answer._replace(logits=answer.logits[places])

    def forward(
        self, ids: Tensor, mask: Tensor | None = None, *, detailed: bool = False, places: Tensor | None = None
    ) -> Tensor | Answer:
        """Logits (B, K), or (B, N, V) of a model that predicts tokens; or the whole `Answer`.

        Args:
            ids: (B, N) integers below ``config.vocabulary``.
            mask: bool (B, N), True on real tokens; None: all are. A sample without a real token is answered as an
                empty text.
            detailed: return the `Answer`.
            places: bool (B, N), where a model that predicts tokens is asked: logits are (M, V) then (see `answer_at`).

        Raises:
            StateError: ids, mask or places that do not fit, or places of a model that predicts classes.
        """
        checked = checked_tokens(ids, mask, self.config.vocabulary)
        if places is None:
            answer = self.answer(*checked)
        else:
            if self.predicts == CLASSES:
                raise StateError("places are asked of models that predict tokens, and this one predicts classes")
            answer = self.answer_at(*checked, checked_places(places, ids))
        return answer if detailed else answer.logits

    @property
    def predicts(self) -> str:
        """``"classes"``, ``"next_token"`` or ``"masked_token"``."""
        return prediction_of(self.config)

    def read_on(self, ids: Tensor, memory: Any = None) -> tuple[Tensor, Any]:
        """Logits (B, N, V) of the token after each of these, which go on a text that was read before.

        Here the memory is the text, and all of it is read again; a model that needs to keep less overrides this.

        Args:
            ids: (B, N), N at least 1, without padding.
            memory: that came with the piece before; None: the text begins.

        Returns:
            The logits, and the memory for the next piece.

        Raises:
            OptionError: a model that does not predict the next token.
            StateError: no token, or ids outside the vocabulary.
        """
        if self.predicts != NEXT_TOKEN:
            raise OptionError(f"to read on needs a model that predicts the next token, got {self.predicts!r}")
        if ids.dim() != 2 or ids.shape[1] == 0:
            raise StateError(f"a text has the shape (B, N) with N at least 1, got {tuple(ids.shape)}")
        whole = ids if memory is None else torch.cat([memory, ids], 1)
        return self.answer(*checked_tokens(whole, None, self.config.vocabulary)).logits[:, -ids.shape[1] :], whole

    def described(self) -> dict[str, Any]:
        """The configuration as plain data, for files."""
        return dataclasses.asdict(self.config)

    def readings(self, ids: Tensor, mask: Tensor) -> dict[str, float]:
        """What training made of the model's numbers, by name, read from texts (B, N) where it depends on them.

        Kept beside the results of runs whose weights are not; nothing, unless an architecture says something.
        """
        return {}

    def parameter_table(self) -> dict[str, int]:
        """Numbers of trained parameters: of embeddings, of the rest, in all."""
        embedding = sum(one.weight.numel() for one in self.modules() if isinstance(one, nn.Embedding))
        total = sum(parameter.numel() for parameter in self.parameters())
        return {"embedding": embedding, "rest": total - embedding, "total": total}
