"""`Columns`: sums down the tokens of a text, over all of them or over those so far.

A column is one dimension of all tokens of one text. Everything that couples tokens in a Wave Network is such a sum.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .memory import Memory


@dataclass(frozen=True)
class Columns:
    """Sums over the real tokens of each sample.

    Attributes:
        mask: bool (B, N), True on real tokens.
        causal: sum over the tokens so far, this one included: nothing depends on later ones.
        forgetting: of a causal sum, the factor per token by which older ones count less; 1 forgets nothing.
        memory: of the tokens before these, where a text is read piece by piece; it goes on to those of the next piece.
    """

    mask: Tensor
    causal: bool = False
    forgetting: float = 1.0
    memory: Memory | None = None

    def total(self, values: Tensor) -> Tensor:
        """Sums of (B, N, D): (B, 1, D), or (B, N, D) if causal."""
        values = torch.where(self.mask.unsqueeze(-1), values, 0)  # where, not times: padding may hold NaN
        return self._sums(values)[:, 1:] if self.causal else values.sum(1, keepdim=True)

    def others(self, squares: Tensor) -> Tensor:
        """Sums of (B, N, D), which is not negative, over all tokens but this one; (B, N, D)."""
        return self.with_and_without(squares)[1]

    def with_and_without(self, squares: Tensor) -> tuple[Tensor, Tensor]:
        """`total` and `others` of (B, N, D), which is not negative, in one go.

        Never a difference of nearly equal numbers. At most one token holds more than half of a column; only its
        complement is small against the total, and it is summed without that token. Causal: the tokens before.
        """
        squares = torch.where(self.mask.unsqueeze(-1), squares, 0)
        if self.causal:
            sums = self._sums(squares)
            return sums[:, 1:], sums[:, :-1] * self._factors(squares)
        total = squares.sum(1, keepdim=True)
        dominant = 2 * squares > total
        without = torch.where(dominant, 0, squares).sum(1, keepdim=True)
        return total, torch.where(dominant, without, total - squares)

    def number(self, values: Tensor) -> Tensor:
        """How many tokens a sum has (with forgetting: their weights), in the dtype of the values; (B, 1 or N, 1)."""
        return self.total(torch.ones_like(values[..., :1]))

    def mean(self, values: Tensor) -> Tensor:
        """Means of (B, N, D), shaped as `total`; zero where there is no token."""
        return self.total(values) / self.number(values).clamp(min=1)

    def _factors(self, values: Tensor) -> Tensor:
        """(B, N, 1): what each token does to the sum before it. Padding does nothing."""
        return torch.ones_like(values[..., 0]).masked_fill(self.mask, self.forgetting).unsqueeze(-1)

    def _sums(self, values: Tensor) -> Tensor:
        """``P_j = rho P_(j-1) + v_j`` from P_0 on, what was before: (B, N + 1, D).

        By doubling (Hillis, Steele 1986): log2 N passes over all tokens.
        """
        start = torch.zeros_like(values[:, :1]) if self.memory is None else self.memory.value_before(values)
        sums = torch.cat([start, values], 1)
        if self.forgetting == 1.0:
            sums = sums.cumsum(1)
        else:
            factors = self._factors(values)
            factors, shift = torch.cat([torch.ones_like(factors[:, :1]), factors], 1), 1
            while shift < sums.shape[1]:
                earlier = torch.cat([torch.zeros_like(sums[:, :shift]), sums[:, :-shift]], 1)
                sums = sums + factors * earlier
                factors = factors * torch.cat([torch.ones_like(factors[:, :shift]), factors[:, :-shift]], 1)
                shift *= 2
        if self.memory is not None:
            self.memory.keep(sums[:, -1:])
        return sums

    def all_read(self, x: Tensor) -> Tensor:
        """Tokens (..., N, D) behind those that were read before, (..., M, D): what attention looks at."""
        return x if self.memory is None else self.memory.all_read(x)
