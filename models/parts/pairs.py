"""Pairs of neighbouring tokens as rows of a table of fixed size."""

from __future__ import annotations

import torch
from torch import Tensor

from .tokens import PAD

_PRIME = 4_294_967_291  # below 2^32, so that all products of residues and the factors below fit in int64


def pair_ids(ids: Tensor, rows: int, mask: Tensor | None = None, first: Tensor | None = None) -> Tensor:
    """A row below `rows` for each token and the one before it, (B, N).

    Args:
        ids: (B, N).
        rows: of the table.
        mask: bool (B, N), True on real tokens: padding between two tokens does not part them; None: all are real.
        first: (B, 1), the id that the first token follows; None: `PAD`.

    Multiplicative hashing (D. E. Knuth, The Art of Computer Programming 3, 2nd edition 1998, section 6.4): pairs that
    meet in one row share it, as the bigrams of fastText do.
    """
    first = torch.full_like(ids[:, :1], PAD) if first is None else first
    before = torch.cat([first, ids], 1)[:, :-1] if mask is None else _before(ids, mask, first)
    mixed = (ids * 2_654_435_761 + before * 1_640_531_527) % _PRIME
    return (mixed * 1_103_515_245 % _PRIME) % rows


def _before(ids: Tensor, mask: Tensor, first: Tensor) -> Tensor:
    """The real token before each real one: all are moved together, padding into one more place at the end."""
    number = mask.cumsum(1)
    last = ids.shape[1] + 1
    together = torch.cat([first, torch.full_like(ids, PAD), torch.full_like(first, PAD)], 1)
    together = together.scatter(1, torch.where(mask, number, last), ids)
    return together.gather(1, torch.where(mask, number - 1, last))
