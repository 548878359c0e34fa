"""Texts that go on: reading in pieces and sampling from a causal network, and pairs of texts as one sequence."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fieldsolver.errors import StateError
from fieldsolver.models.parts import IGNORED, PAD, generate, token_loss

from .memory import Memory
from .network import WaveNetwork

__all__ = ["IGNORED", "generate", "joined", "read_on", "token_loss"]


def read_on(network: WaveNetwork, ids: Tensor, memory: Memory | None = None) -> tuple[Tensor, Memory]:
    """`WaveNetwork.read_on` as a function."""
    return network.read_on(ids, memory)


def joined(
    sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], separator: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs of texts for a causal network: source, separator, target, and the separator again as the end.

    Args:
        sources, targets: ids of each text.
        separator: an id that the texts do not hold.

    Returns:
        ids (B, N), mask (B, N), and labels (B, N): the next token where it belongs to the target, else `IGNORED`.

    Raises:
        StateError: not as many targets as sources, or a text with the separator in it.
    """
    if len(sources) != len(targets):
        raise StateError(f"there are {len(sources)} sources and {len(targets)} targets; they come in pairs")
    if any(separator in text for text in (*sources, *targets)):
        raise StateError(f"a text holds the separator {separator}; take an id that no text has")
    texts = [[*s, separator, *t, separator] for s, t in zip(sources, targets, strict=True)]
    longest = max((len(text) for text in texts), default=0)
    ids = torch.full((len(texts), longest), PAD)
    labels = torch.full_like(ids, IGNORED)
    for row, (source, text) in enumerate(zip(sources, texts, strict=True)):
        ids[row, : len(text)] = torch.tensor(text)
        labels[row, len(source) : len(text) - 1] = ids[row, len(source) + 1 : len(text)]
    return ids, torch.arange(longest) < torch.tensor([[len(text)] for text in texts]), labels
