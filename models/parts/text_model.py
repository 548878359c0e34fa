"""`TextModel`: what every architecture for text looks like from outside."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn

from .answer import Answer
from .tokens import checked_tokens


class TextModel(nn.Module, ABC):
    """Token ids in, logits out. Padding, neighbours in the batch and the batch's size change no answer.

    A model keeps nothing between calls: what it said of a batch besides the logits is in its `Answer`.

    Args:
        config: a frozen dataclass of plain numbers and names, with at least `vocabulary` and `classes`.
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def answer(self, ids: Tensor, mask: Tensor) -> Answer:
        """The answer for checked tokens: ids (B, N), int64; mask (B, N), True on real tokens."""

    def forward(self, ids: Tensor, mask: Tensor | None = None, *, detailed: bool = False) -> Tensor | Answer:
        """Logits (B, K), or the whole `Answer`.

        Args:
            ids: (B, N) integers below ``config.vocabulary``.
            mask: bool (B, N), True on real tokens; None: all are. A sample without a real token is answered as an
                empty text.
            detailed: return the `Answer`.

        Raises:
            StateError: ids or mask that do not fit.
        """
        answer = self.answer(*checked_tokens(ids, mask, self.config.vocabulary))
        return answer if detailed else answer.logits

    def described(self) -> dict[str, Any]:
        """The configuration as plain data, for files."""
        return dataclasses.asdict(self.config)

    def parameter_table(self) -> dict[str, int]:
        """Numbers of trained parameters: of embeddings, of the rest, in all."""
        embedding = sum(one.weight.numel() for one in self.modules() if isinstance(one, nn.Embedding))
        total = sum(parameter.numel() for parameter in self.parameters())
        return {"embedding": embedding, "rest": total - embedding, "total": total}
