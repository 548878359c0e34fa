"""`Columns`: sums down the tokens of a text, over all of them or over those so far.

A column is one dimension of all tokens of one text. Everything that couples tokens in a Wave Network is such a sum.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Columns:
    """Sums over the real tokens of each sample.

    Attributes:
        mask: bool (B, N), True on real tokens.
        causal: sum over the tokens so far, this one included: nothing depends on later ones.
        forgetting: of a causal sum, the factor per token by which older ones count less; 1 forgets nothing.
    """

    mask: Tensor
    causal: bool = False
    forgetting: float = 1.0

    def total(self, values: Tensor) -> Tensor:
        """Sums of (B, N, D): (B, 1, D), or (B, N, D) if causal."""
        values = torch.where(self.mask.unsqueeze(-1), values, 0)  # where, not times: padding may hold NaN
        return self._so_far(values) if self.causal else values.sum(1, keepdim=True)

    def others(self, squares: Tensor) -> Tensor:
        """Sums of (B, N, D), which is not negative, over all tokens but this one; (B, N, D).

        Never a difference of nearly equal numbers. At most one token holds more than half of a column; only its
        complement is small against the total, and it is summed without that token. Causal: the tokens before.
        """
        squares = torch.where(self.mask.unsqueeze(-1), squares, 0)
        if self.causal:
            before = self._so_far(squares)[:, :-1]
            return torch.cat([torch.zeros_like(squares[:, :1]), before], 1) * self._factors(squares)
        total = squares.sum(1, keepdim=True)
        dominant = 2 * squares > total
        without = torch.where(dominant, 0, squares).sum(1, keepdim=True)
        return torch.where(dominant, without, total - squares)

    def number(self, values: Tensor) -> Tensor:
        """How many tokens a sum has (with forgetting: their weights), in the dtype of the values; (B, 1 or N, 1)."""
        return self.total(torch.ones_like(values[..., :1]))

    def mean(self, values: Tensor) -> Tensor:
        """Means of (B, N, D), shaped as `total`; zero where there is no token."""
        return self.total(values) / self.number(values).clamp(min=1)

    def _factors(self, values: Tensor) -> Tensor:
        """(B, N, 1): what each token does to the sum before it. Padding does nothing."""
        return torch.ones_like(values[..., 0]).masked_fill(self.mask, self.forgetting).unsqueeze(-1)

    def _so_far(self, values: Tensor) -> Tensor:
        """``P_j = rho P_(j-1) + v_j`` by doubling (Hillis, Steele 1986): log2 N passes over all tokens."""
        if self.forgetting == 1.0:
            return values.cumsum(1)
        factors, shift = self._factors(values), 1
        while shift < values.shape[1]:
            earlier = torch.cat([torch.zeros_like(values[:, :shift]), values[:, :-shift]], 1)
            values = values + factors * earlier
            factors = factors * torch.cat([torch.ones_like(factors[:, :shift]), factors[:, :-shift]], 1)
            shift *= 2
        return values
