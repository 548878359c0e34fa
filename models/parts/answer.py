"""`Answer`: what a model says of a batch, and what it cost."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Answer(NamedTuple):
    """The detailed output of a `TextModel`.

    A named tuple, so that distributed wrappers find the tensors in it.

    Attributes:
        logits: (B, K), or (B, N, K) of a model that answers at every token.
        penalty: scalar, to be added to the loss while training: a cost of pondering, a regulariser; 0 without one.
        evaluations: (B,), right-hand sides evaluated per sample, without a gradient; 0 where nothing is solved.
    """

    logits: Tensor
    penalty: Tensor
    evaluations: Tensor
