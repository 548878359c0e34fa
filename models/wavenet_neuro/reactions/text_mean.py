"""The mean over a text, as a term of an equation."""

from __future__ import annotations

from torch import Tensor, nn


class TextMean(nn.Module):
    """The mean over the cells with tokens, at every cell."""

    def forward(self, arguments: Tensor) -> Tensor:
        """``(B, C + 1, *grid)``, the field and then 1 inside and 0 outside, to ``(B, C, *grid)``."""
        phi, inside = arguments[:, :-1], arguments[:, -1:]
        over = tuple(range(2, phi.dim()))
        mean = (phi * inside).sum(over, keepdim=True) / inside.sum(over, keepdim=True).clamp(min=1)
        return mean.expand_as(phi)
