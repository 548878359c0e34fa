"""Pairs of neighbouring tokens as rows of a table of fixed size."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import pad

_PRIME = 4_294_967_291  # below 2^32, so that all products of residues and the factors below fit in int64


def pair_ids(ids: Tensor, rows: int) -> Tensor:
    """A row below `rows` for each token and the one before it, (B, N); the first token follows `PAD`.

    Multiplicative hashing (D. E. Knuth, The Art of Computer Programming 3, 2nd edition 1998, section 6.4): pairs that
    meet in one row share it, as the bigrams of fastText do.
    """
    before = pad(ids, (1, 0))[:, :-1]
    mixed = (ids * 2_654_435_761 + before * 1_640_531_527) % _PRIME
    return (mixed * 1_103_515_245 % _PRIME) % rows
