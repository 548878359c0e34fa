"""`Memory`: what a causal network knows of the tokens that it has read, so that none is read twice."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Memory:
    """The last value of every causal sum, in the order in which a network takes them; one number per column and sum.

    Attention has no such sum: it keeps the keys and values of all tokens.

    Args:
        before: `kept` of the memory of the piece before; None: the text begins.
    """

    def __init__(self, before: Sequence[Tensor] | None = None) -> None:
        self._before = None if before is None else iter(before)
        self.kept: list[Tensor] = []

    def value_before(self, values: Tensor) -> Tensor:
        """What stood before the first of the values (B, N, ...), shape (B, 1, ...): zero where the text begins."""
        return torch.zeros_like(values[:, :1]) if self._before is None else next(self._before)

    def keep(self, value: Tensor) -> None:
        """Hand a value on to the next piece."""
        self.kept.append(value)

    def all_read(self, x: Tensor) -> Tensor:
        """Tokens (..., N, D) behind those that were read before."""
        if self._before is not None:
            x = torch.cat([next(self._before), x], -2)
        self.keep(x)
        return x
