"""`Evolved`: what the dynamics of a model made of its features."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Evolved(NamedTuple):
    """The output of a model's middle.

    Attributes:
        features: (B, N, C), zero on padding.
        penalty: scalar, to be added to the loss.
        evaluations: (B,), right-hand sides evaluated per sample, without a gradient.
    """

    features: Tensor
    penalty: Tensor
    evaluations: Tensor
