"""What the leaves of a graph are at uniform states."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from .response import Response, joined

Pair = tuple[Tensor, Response]
"""Value and response of an expression."""


@dataclass(frozen=True)
class Values:
    """What the leaves of the graph are: see `Linearised`, which fills it."""

    states: Tensor
    offsets: Mapping[str, tuple[int, int]]
    mirror: Tensor
    parameters: Mapping[str, Tensor]
    integrals: Mapping[str, Tensor]
    modules: Mapping[str, Callable[[Tensor], Tensor]]
    nonlocal_modules: frozenset[str]
    time: float
    volume: float
    dimension: int
    strict: bool
    waves: bool = True

    def wave(self, name: str) -> Response:
        """A field responds to its own waves; not at all where only values are wanted."""
        if not self.waves:
            return Response.zero()
        first, size = self.offsets[name]
        unit = torch.zeros(len(self.states), size, len(self.mirror), dtype=self.states.dtype)
        unit[:, torch.arange(size), first + torch.arange(size)] = 1
        return Response({(): unit})

    def join(self, parts: list[tuple[Response, int]]) -> Response:
        """Components of several expressions, one after the other."""
        return joined(parts, len(self.states), len(self.mirror), self.states)
