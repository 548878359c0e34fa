"""Random inputs in the likeness of an example: its ranges, other lengths and batch sizes."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from .example import Example


def generator(seed: int) -> torch.Generator:
    """Random numbers of a check; the global ones are left alone."""
    return torch.Generator().manual_seed(seed)


def draw(example: Example, shape: tuple[int, ...], random: torch.Generator) -> Tensor:
    """Values of the shape (B, T, ...), or (B, ...): ids at random, numbers picked among those of the same component."""
    plain = example.plain()
    if example.ids:
        return _ids(example, torch.randint(_usable(example), shape, generator=random)).to(plain)
    components = example.component_axes()
    kept = [shape[axis] for axis in components]
    pool = plain.movedim(components, list(range(-len(components), 0))).reshape(-1, *kept)
    free = [size for axis, size in enumerate(shape) if axis not in components]
    picks = torch.randint(pool.shape[0], (prod(free), *kept), generator=random).to(plain.device)
    drawn = pool.gather(0, picks).reshape(*free, *kept)
    return drawn.movedim(list(range(len(free), len(shape))), components)


def others(example: Example, plain: Tensor, random: torch.Generator) -> Tensor:
    """Values of the same shape of which, for ids, none is as it was."""
    if not example.ids:
        return draw(example, tuple(plain.shape), random)
    count = _usable(example)
    shift = torch.randint(1, count, tuple(plain.shape), generator=random).to(plain)
    return _ids(example, (_ranks(example, plain) + shift) % count)


def of_length(example: Example, length: int, random: torch.Generator) -> Tensor:
    """The example cut to a length, or drawn anew where it is shorter."""
    plain = example.plain()
    if length <= plain.shape[1]:
        return plain[:, :length]
    return draw(example, (plain.shape[0], length, *plain.shape[2:]), random)


def at_least(example: Example, samples: int, random: torch.Generator) -> Tensor:
    """The example, with drawn samples behind it where it has fewer than this."""
    plain = example.plain()
    lacking = samples - plain.shape[0]
    if lacking <= 0:
        return plain
    return torch.cat((plain, draw(example, (lacking, *plain.shape[1:]), random)))


def normal_like(tensor: Tensor, random: torch.Generator) -> Tensor:
    """Standard normal numbers of the same shape, dtype and device."""
    wide = torch.complex128 if tensor.is_complex() else torch.float64
    return torch.randn(tensor.shape, dtype=wide, generator=random).to(tensor)


def _usable(example: Example) -> int:
    """The number of ids that are no padding."""
    return (example.vocabulary or 0) - (example.pad_id is not None)


def _ids(example: Example, ranks: Tensor) -> Tensor:
    """Ids from their places among those that are no padding."""
    return ranks if example.pad_id is None else ranks + (ranks >= example.pad_id)


def _ranks(example: Example, ids: Tensor) -> Tensor:
    return ids if example.pad_id is None else ids - (ids > example.pad_id).to(ids)
