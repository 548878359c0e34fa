"""Token ids and masks as models take them."""

from __future__ import annotations

import torch
from torch import Tensor

from fieldsolver.errors import StateError

PAD, UNKNOWN = 0, 1
"""The ids that every tokeniser reserves: padding, and what is not in the vocabulary."""


def checked_tokens(ids: Tensor, mask: Tensor | None, vocabulary: int) -> tuple[Tensor, Tensor]:
    """Ids (B, N) as int64 and mask (B, N) as bool; padded ids become `PAD`, whatever they were.

    Texts without a place, N = 0, get one place of padding: they are answered as empty texts.

    Raises:
        StateError: wrong shapes or types, or a real token outside the vocabulary.
    """
    if ids.dim() != 2 or ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
        raise StateError(f"token ids are integers of shape (B, N), got {ids.dtype} of shape {tuple(ids.shape)}")
    if mask is None:
        mask = torch.ones_like(ids, dtype=torch.bool)
    if mask.dtype != torch.bool or mask.shape != ids.shape:
        raise StateError(
            f"the mask is bool of the ids' shape {tuple(ids.shape)}, True on real tokens; "
            f"got {mask.dtype} of shape {tuple(mask.shape)}"
        )
    if ids.shape[1] == 0:
        ids, mask = ids.new_full((len(ids), 1), PAD), mask.new_zeros(len(ids), 1)
    ids = torch.where(mask, ids.long(), PAD)
    if not torch.compiler.is_compiling() and ids.numel():
        low, high = int(ids.min()), int(ids.max())
        if low < 0 or high >= vocabulary:
            raise StateError(
                f"token ids lie in 0..{vocabulary - 1}, got {low if low < 0 else high}; encode the text with the "
                "tokeniser that the model was made with"
            )
    return ids, mask


def checked_places(places: Tensor, ids: Tensor) -> Tensor:
    """Places (B, N) of ids as they were given, as bool of the shape that `checked_tokens` gives them.

    Raises:
        StateError: wrong shape or type.
    """
    if places.dtype != torch.bool or places.shape != ids.shape:
        raise StateError(
            f"places are bool of the ids' shape {tuple(ids.shape)}, True where an answer is wanted; "
            f"got {places.dtype} of shape {tuple(places.shape)}"
        )
    return places if ids.shape[1] else places.new_zeros(len(ids), 1)
