"""Functions between walls continued to periodic ones: reflected where even, reflected and negated where odd.

The period is ``2L`` for equal symmetries at both walls and for anti-periodic functions, ``4L`` for different ones.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .constants import resized

PARITIES: dict[str, tuple[int, int]] = {
    "cosine": (1, 1),
    "sine": (-1, -1),
    "sine-cosine": (-1, 1),
    "cosine-sine": (1, -1),
}
"""Symmetry about the low and the high wall: 1 even, -1 odd."""


def periods(kind: str) -> int:
    """Number of lengths L in the period of the continued function."""
    if kind == "fourier":
        return 1
    low, high = PARITIES.get(kind, (1, 1))
    return 2 if low == high else 4


def continued(values: Tensor, dim: int, kind: str, *, on_node: bool) -> Tensor:
    """One period, starting with the values themselves; those on odd node walls become zero."""
    if kind == "fourier":
        return values
    if kind == "anti-fourier":
        return torch.cat((values, -values), dim)
    low, high = PARITIES[kind]
    values = zeroed(values, dim, (low, high), on_node=on_node)
    image = values.narrow(dim, int(on_node), values.shape[dim] - 2 * int(on_node)).flip(dim)
    image = image if high == 1 else -image
    parts = (values, image) if low == high else (values, image, -values, -image)
    return torch.cat(parts, dim)


def zeroed(values: Tensor, dim: int, parities: tuple[int, int], *, on_node: bool) -> Tensor:
    """Exact zeros at the nodes on walls about which the function is odd."""
    below, above = (int(on_node and parity == -1) for parity in parities)
    kept = values.narrow(dim, below, values.shape[dim] - below - above)
    return resized(kept, dim, below, above)
