"""The unknowns of a fit as one vector: equation parameters, initial values and noise scales, all unconstrained."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fieldsolver.equations.parameters import Free


@dataclass(frozen=True)
class Block:
    """One unknown, a number or a tensor.

    Attributes:
        kind: ``"parameter"``, ``"initial"`` or ``"sigma"``.
        name: of the parameter, or of the field.
        transform: from stored to meant values.
        start: stored value to start from, float64.
    """

    kind: str
    name: str
    transform: Free
    start: Tensor

    @property
    def label(self) -> str:
        """``alpha``, ``u(t0)`` or ``sigma(u)``."""
        return {"parameter": self.name, "initial": f"{self.name}(t0)", "sigma": f"sigma({self.name})"}[self.kind]


class Unknowns:
    """A change of variable between vectors ``x`` (..., P), where optimisers work, and meant values.

    ``stored = x * scale`` and ``meant = transform(stored)``. Logarithms and logits have scale one by nature; an
    unconstrained value is measured in units of its start, so that a step of 0.1 means the same for all.

    Args:
        blocks: in order.

    Attributes:
        labels: P names; entries of tensors carry their indices.
        start: (P,) float64.
        scale: (P,) float64.
    """

    def __init__(self, blocks: list[Block]) -> None:
        self.blocks = blocks
        self.labels: list[str] = [label for block in blocks for label in _entry_labels(block)]
        raw = torch.cat([block.start.detach().to("cpu", torch.float64).reshape(-1) for block in blocks])
        free = torch.cat([torch.full((b.start.numel(),), type(b.transform) is Free) for b in blocks])
        self.scale = torch.where(free & (raw != 0), raw.abs(), torch.ones_like(raw))
        self.start = raw / self.scale

    @property
    def size(self) -> int:
        """P."""
        return len(self.labels)

    def slices(self) -> Iterator[tuple[Block, slice]]:
        """Every block with its place in the vector."""
        first = 0
        for block in self.blocks:
            yield block, slice(first, first + block.start.numel())
            first += block.start.numel()

    def values(self, x: Tensor) -> dict[str, Tensor]:
        """(B, P) -> meant values per label of a block, each (B, *shape)."""
        stored = x * self.scale.to(x.device)
        return {
            block.label: block.transform.forward(stored[:, place].reshape(-1, *block.start.shape))
            for block, place in self.slices()
        }

    def meant(self, x: Tensor) -> Tensor:
        """(B, P) -> meant values, (B, P)."""
        return torch.cat([value.reshape(x.shape[0], -1) for value in self.values(x).values()], dim=1)

    def places(self, kind: str) -> list[int]:
        """Positions of the unknowns of one kind."""
        return [i for block, place in self.slices() if block.kind == kind for i in range(place.start, place.stop)]


def _entry_labels(block: Block) -> list[str]:
    if block.start.dim() == 0:
        return [block.label]
    indices = itertools.product(*(range(size) for size in block.start.shape))
    return [f"{block.label}[{','.join(map(str, index))}]" for index in indices]
