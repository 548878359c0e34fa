"""Texts that go on: sampling from a causal network, and pairs of texts as one sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from fieldsolver.errors import OptionError, StateError
from fieldsolver.models.parts import PAD, checked_tokens

from .memory import Memory
from .network import WaveNetwork
from .wave_block import Layered

IGNORED = -100
"""The label that `torch.nn.functional.cross_entropy` leaves out."""


def read_on(network: WaveNetwork, ids: Tensor, memory: Memory | None = None) -> tuple[Tensor, Memory]:
    """Logits of the token after each of these, which go on a text that was read before.

    In pieces, whatever their lengths, a text gives what it gives as a whole. Waves keep as many numbers of a long text
    as of a short one; attention blocks keep keys and values of all its tokens.

    Args:
        network: causal, with a head for tokens.
        ids: (B, N), N at least 1, without padding.
        memory: that came with the piece before; None: the text begins.

    Returns:
        Logits (B, N, V), and the memory for the next piece.

    Raises:
        OptionError: a network whose tokens see later ones.
        StateError: no token, or ids outside the vocabulary.
    """
    if not network.config.causal or network.config.head == "classes":
        raise OptionError("to read on needs a network with causal=True and a head for tokens, such as 'next_token'")
    if ids.dim() != 2 or ids.shape[1] == 0:
        raise StateError(f"a text has the shape (B, N) with N at least 1, got {tuple(ids.shape)}")
    ids, mask = checked_tokens(ids, None, network.config.vocabulary)
    now = Memory(None if memory is None else memory.kept)
    encoded = cast("Layered", network.encoder(network.embedding(ids, mask, now), mask, now))
    return network.head(network.dropout(encoded.x)), now


@torch.no_grad()
def generate(
    network: WaveNetwork,
    prompt: Tensor,
    new: int,
    *,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Prompts and `new` more tokens each; padding is never drawn.

    Args:
        network: with ``head="next_token"``.
        prompt: ids (B, N), N at least 1, without padding.
        new: number of tokens.
        temperature: 0 takes the likeliest token; else logits are divided by it, and `generator` draws.
        generator: of the random numbers; needed with a temperature above 0.

    Returns:
        Ids (B, N + new).

    Raises:
        OptionError: another head, or options that make no sense.
        StateError: an empty prompt.
    """
    if network.config.head != "next_token":
        raise OptionError(f"generate needs a network with head='next_token', got {network.config.head!r}")
    if temperature < 0 or (temperature > 0 and generator is None):
        raise OptionError("temperature is at least 0, and above 0 it needs generator=torch.Generator()")
    if prompt.dim() != 2 or prompt.shape[1] == 0:
        raise StateError(f"a prompt has the shape (B, N) with N at least 1, got {tuple(prompt.shape)}")
    training = network.training
    network.eval()
    try:
        piece, memory = prompt, None
        for _ in range(new):
            logits, memory = read_on(network, piece, memory)
            last = logits[:, -1]
            last[:, PAD] = -torch.inf
            piece = _drawn(last, temperature, generator)
            prompt = torch.cat([prompt, piece], 1)
    finally:
        network.train(training)
    return prompt


def _drawn(logits: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    if temperature == 0:
        return logits.argmax(-1, keepdim=True)
    return torch.multinomial(torch.softmax(logits / temperature, -1), 1, generator=generator)


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


def token_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of logits (B, N, V) and labels (B, N), the mean over the labels that are not `IGNORED`."""
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
