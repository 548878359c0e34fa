"""Tokens to guess from those around them (Devlin et al. 2018, section 3.1)."""

from __future__ import annotations

import torch
from torch import Tensor

from fieldsolver.errors import OptionError

from .token_loss import IGNORED
from .tokens import UNKNOWN

FIRST = 2
"""The first id that is a word; those before are padding and what is unknown."""
SHARE = 0.15
"""Of the tokens that are to be guessed."""


def masked_batch(
    ids: Tensor,
    mask: Tensor,
    vocabulary: int,
    generator: torch.Generator,
    *,
    share: float = SHARE,
    hidden: int = UNKNOWN,
) -> tuple[Tensor, Tensor]:
    """Tokens to guess: of the chosen ones 80 % become `hidden`, 10 % another word, 10 % stay.

    Args:
        ids: (B, N).
        mask: (B, N), True on real tokens.
        vocabulary: number of ids.
        generator: of the choice.
        share: of real tokens that are chosen.
        hidden: the id that stands for a hidden token.

    Returns:
        The ids that the network sees and the labels, (B, N) each; `IGNORED` where nothing was chosen.

    Raises:
        OptionError: a share outside (0, 1].
    """
    if not 0 < share <= 1:
        raise OptionError(f"share lies in (0, 1], got {share!r}")
    chosen = (torch.rand(ids.shape, generator=generator) < share) & mask
    fate = torch.rand(ids.shape, generator=generator)
    others = torch.randint(min(FIRST, vocabulary - 1), vocabulary, ids.shape, generator=generator)
    seen = torch.where(chosen & (fate < 0.8), hidden, ids)
    seen = torch.where(chosen & (fate >= 0.9), others, seen)
    return seen, torch.where(chosen, ids, IGNORED)
