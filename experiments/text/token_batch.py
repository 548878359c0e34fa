"""`TokenBatch`: a few texts of similar length as rectangular tensors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fieldsolver.models.parts import PAD

from .encoded import EncodedSplit
from .lengths import padded_length


class TokenBatch(NamedTuple):
    """What a text model takes, and what it should say.

    Attributes:
        ids: (B, N), int64; padded places hold `PAD`.
        mask: (B, N), bool; True on real tokens.
        labels: (B,), int64.
        indices: (B,), int64; where the samples are in their split.
    """

    ids: Tensor
    mask: Tensor
    labels: Tensor
    indices: Tensor

    def to(self, device: torch.device | str, non_blocking: bool = False) -> TokenBatch:
        """The same on another device."""
        return TokenBatch(*(tensor.to(device, non_blocking=non_blocking) for tensor in self))


def collate(split: EncodedSplit, indices: Any, ladder: np.ndarray | None = None) -> TokenBatch:
    """The samples of these indices, padded to the next of few lengths; an empty text is a row of padding.

    Args:
        split: the samples.
        indices: integers, as from `batches`.
        ladder: increasing lengths to pad to; None: the split's own.

    Raises:
        OptionError: a ladder that does not reach the longest sample.
    """
    chosen = np.array(indices, dtype=np.int64).reshape(-1)  # a copy: torch takes no array that runs backwards
    lengths = split.lengths[chosen]
    width = padded_length(int(lengths.max(initial=1)), split.ladder if ladder is None else ladder)
    mask = np.arange(width) < lengths[:, None]
    ids = np.full(mask.shape, PAD, dtype=np.int64)
    if len(chosen):
        ids[mask] = np.concatenate([split[int(index)] for index in chosen])
    labels = torch.from_numpy(split.labels[chosen])
    return TokenBatch(torch.from_numpy(ids), torch.from_numpy(mask), labels, torch.from_numpy(chosen))
