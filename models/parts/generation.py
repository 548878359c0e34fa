"""Texts that go on: tokens drawn one by one from a model that predicts the next one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from fieldsolver.errors import OptionError, StateError

from .prediction import NEXT_TOKEN
from .text_model import TextModel
from .tokens import PAD


@torch.no_grad()
def generate(
    model: TextModel,
    prompt: Tensor,
    new: int,
    *,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
    never: Sequence[int] = (PAD,),
) -> Tensor:
    """Prompts and `new` more tokens each; every token is read once, by `TextModel.read_on`.

    Args:
        model: one that predicts the next token.
        prompt: ids (B, N), N at least 1, without padding.
        new: number of tokens.
        temperature: 0 takes the likeliest token; else logits are divided by it, and `generator` draws.
        generator: of the random numbers, on the CPU; needed with a temperature above 0.
        never: ids that are not drawn.

    Returns:
        Ids (B, N + new).

    Raises:
        OptionError: another head, or options that make no sense.
        StateError: an empty prompt, or ids outside the vocabulary.
    """
    if model.predicts != NEXT_TOKEN:
        raise OptionError(f"generate needs a network with head='next_token', got {model.predicts!r}")
    if not 0 <= temperature < math.inf or (temperature > 0 and generator is None):
        raise OptionError("temperature is finite, at least 0, and above 0 it needs generator=torch.Generator()")
    if prompt.dim() != 2 or prompt.shape[1] == 0:
        raise StateError(f"a prompt has the shape (B, N) with N at least 1, got {tuple(prompt.shape)}")
    training = model.training
    model.eval()
    try:
        piece, memory, written = prompt, None, [prompt]
        for _ in range(new):
            logits, memory = model.read_on(piece, memory)
            last = logits[:, -1].clone()
            last[:, list(never)] = -torch.inf
            piece = _drawn(last, temperature, generator)
            written.append(piece)
    finally:
        model.train(training)
    return torch.cat(written, 1)


def _drawn(logits: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    if temperature == 0:
        return logits.argmax(-1, keepdim=True)
    # The largest becomes 0, so that no temperature, however small, gives a difference of infinities.
    shifted = (logits.double() - logits.double().amax(-1, keepdim=True)) / temperature
    return torch.multinomial(shifted.softmax(-1).cpu(), 1, generator=generator).to(logits.device)
