"""Masked-token prediction (Devlin et al. 2018, section 3.1): weights that know a language before they know a task."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.models.parts import UNKNOWN

from .generation import IGNORED, token_loss
from .network import WaveNetwork

FIRST = 2
"""The first id that is a word; those before are padding and what is unknown."""


def masked_batch(
    ids: Tensor,
    mask: Tensor,
    vocabulary: int,
    generator: torch.Generator,
    *,
    share: float = 0.15,
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


def pretrain(
    network: WaveNetwork, batches: Iterable[tuple[Tensor, Tensor]], *, learning_rate: float, generator: torch.Generator
) -> list[float]:
    """Train a network with ``head="masked_token"`` on batches (ids, mask); the losses.

    Raises:
        OptionError: another head.
    """
    if network.config.head != "masked_token":
        raise OptionError(f"pretrain needs a network with head='masked_token', got {network.config.head!r}")
    optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate)
    network.train()
    losses = []
    for ids, mask in batches:
        seen, labels = masked_batch(ids, mask, network.config.vocabulary, generator)
        if not (labels != IGNORED).any():  # a mean over nothing
            continue
        loss = token_loss(cast("Tensor", network(seen, mask)), labels)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
    return losses


def adopt(network: WaveNetwork, trained: WaveNetwork) -> None:
    """Copy embedding and encoder of `trained` into a network that differs in its head alone.

    Raises:
        OptionError: the encoders differ.
    """
    for part in ("embedding", "encoder"):
        ours, theirs = (getattr(one, part).state_dict() for one in (network, trained))
        different = [name for name in ours.keys() | theirs.keys() if _shape(ours, name) != _shape(theirs, name)]
        if different:
            raise OptionError(f"the networks differ in {part}.{min(different)}; build both with the same configuration")
    for part in ("embedding", "encoder"):
        getattr(network, part).load_state_dict(getattr(trained, part).state_dict())


def _shape(state: dict[str, Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(state[name].shape) if name in state else None
