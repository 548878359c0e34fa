"""Cross entropy over the places of a text that ask for a token."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

IGNORED = -100
"""The label that `torch.nn.functional.cross_entropy` leaves out."""


def token_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of logits (B, N, V) and labels (B, N), the mean over the labels that are not `IGNORED`."""
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
