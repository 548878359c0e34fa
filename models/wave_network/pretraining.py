"""Masked-token prediction (Devlin et al. 2018, section 3.1): weights that know a language before they know a task."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.models.parts import IGNORED, MASKED_TOKEN, adopt, masked_batch, token_loss

from .network import WaveNetwork

__all__ = ["adopt", "masked_batch", "pretrain"]


def pretrain(
    network: WaveNetwork, batches: Iterable[tuple[Tensor, Tensor]], *, learning_rate: float, generator: torch.Generator
) -> list[float]:
    """Train a network with ``head="masked_token"`` on batches (ids, mask); the losses.

    Raises:
        OptionError: another head.
    """
    if network.predicts != MASKED_TOKEN:
        raise OptionError(f"pretrain needs a network with head='masked_token', got {network.predicts!r}")
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
