"""What happens to the tokens of a text, block by block."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.models.parts import checked_tokens

from .columns import Columns
from .network import WaveNetwork
from .wave import Wave
from .wave_block import Layered, WaveBlock


class Waves(NamedTuple):
    """The waves of one block.

    Attributes:
        first, second: the two variants of the tokens.
        whole: what they become together.
        columns: the tokens that there are.
    """

    first: Wave
    second: Wave
    whole: Wave
    columns: Columns


@torch.no_grad()
def forward_trace(network: WaveNetwork, ids: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
    """Token vectors (B, N, D) after the embedding, after every block, and after the norm, by name."""
    ids, mask = checked_tokens(ids, mask, network.config.vocabulary)
    columns = network.encoder.columns(mask)
    x = network.embedding(ids, mask)
    trace = {"embedding": x}
    for number, (name, block) in enumerate(zip(network.config.blocks, network.encoder.blocks, strict=True), start=1):
        x = cast("Layered", block(x, columns)).x
        trace[f"{number} {name}"] = x
    return {**trace, "norm": network.encoder.norm(x)}


@torch.no_grad()
def waves_of(network: WaveNetwork, ids: Tensor, mask: Tensor | None = None, *, block: int = 0) -> Waves:
    """The waves of a block, counted from 0.

    Raises:
        OptionError: it is no wave block.
    """
    blocks = network.encoder.blocks
    if not 0 <= block < len(blocks) or not isinstance(blocks[block], WaveBlock):
        waves = [number for number, one in enumerate(blocks) if isinstance(one, WaveBlock)]
        raise OptionError(f"block {block} has no waves; those that have: {waves or 'none'}")
    ids, mask = checked_tokens(ids, mask, network.config.vocabulary)
    columns = network.encoder.columns(mask)
    x = network.embedding(ids, mask)
    for earlier in blocks[:block]:
        x = cast("Layered", earlier(x, columns)).x
    wave = cast("WaveBlock", blocks[block])
    first, second = wave.waves(x, columns)
    return Waves(first, second, wave.superposed(first, second, columns), columns)
