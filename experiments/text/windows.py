"""Long texts in pieces that a model reads at once."""

from __future__ import annotations

import numpy as np

from fieldsolver.errors import OptionError

from .encoded import EncodedSplit


def windows(texts: EncodedSplit, length: int, overlap: int = 0) -> EncodedSplit:
    """Every text cut into pieces of `length` tokens, the last of what is left; none holds tokens of two texts.

    Args:
        texts: encoded; texts of no more than `overlap` tokens have no piece.
        length: tokens of a piece.
        overlap: tokens that a piece shares with the one before, at its beginning.

    Returns:
        The pieces in their order; their labels are the numbers of their texts.

    Raises:
        OptionError: a length that is not above the overlap.
    """
    if length <= overlap:
        raise OptionError(f"a window of {length} tokens has to be longer than its overlap of {overlap}")
    pieces, owners = [], []
    for number in range(len(texts)):
        ids = texts[number]
        for start in range(0, len(ids) - overlap, length - overlap):
            pieces.append(ids[start : start + length])
            owners.append(number)
    return EncodedSplit.of(pieces, np.array(owners, dtype=np.int64))
