"""A contractive reaction in which every token feels its whole text, and which is slow where its votes balance.

::

    F(phi, m, I) = s N(phi, m, I) - (margin + s) phi,      N = W2 tanh(W (phi - m) + M m + V I + c),    m = mean of phi

Over a text, in the norm whose square is the sum over its tokens, ``phi - m`` and ``m`` are orthogonal parts of phi. So
with ``||W||, ||M||, ||W2|| <= 1`` N is 1-Lipschitz, whatever V, and all states approach at least like exp(-margin t):
there is one state of rest, reached from everywhere, at any weights. Diffusion only adds to that.

How fast a text rests is its own: where the mean leaves the tanh in its steep part, that is where the words' votes
balance, the rate is near `margin`, and where they agree it is near ``margin + s`` (critical slowing down, as in the
mean-field model of a magnet: N. Goldenfeld, Lectures on Phase Transitions, 1992, section 8.3).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fieldsolver.nn.contractive import spectral_norm_bound


class MeanFieldReaction(nn.Module):
    """F above, pointwise in the field, the mean and the source.

    M starts as the transpose of W2 with orthonormal rows: near a mean of zero the text pulls itself along.

    Args:
        channels: components of the field, C.
        hidden: width of the tanh layer, at least C.
        margin: rate of contraction that is guaranteed, 1/time.
        strength: s, 1/time; fixed, so that a step that is stable stays so.
    """

    def __init__(self, channels: int, hidden: int, *, margin: float, strength: float) -> None:
        super().__init__()
        self.channels, self.margin, self.strength = channels, float(margin), float(strength)
        self.apart = nn.Parameter(torch.randn(hidden, channels) / (2 * (hidden + channels) ** 0.5))  # W
        self.last = nn.Parameter(nn.init.orthogonal_(torch.empty(channels, hidden)))  # W2
        self.mean = nn.Parameter(self.last.detach().T.clone())  # M
        self.source = nn.Linear(channels, hidden)  # V and c

    def forward(self, arguments: Tensor) -> Tensor:
        """``(..., 3 C)``, phi, m and I, to ``(..., C)``."""
        phi, mean, source = arguments.split(self.channels, dim=-1)
        inner = nn.functional.linear(phi - mean, _within(self.apart)) + nn.functional.linear(mean, _within(self.mean))
        pulled = nn.functional.linear(torch.tanh(inner + self.source(source)), _within(self.last))
        return self.strength * pulled - (self.margin + self.strength) * phi

    def extra_repr(self) -> str:
        """What is guaranteed."""
        return f"channels={self.channels}, margin={self.margin:g}, strength={self.strength:g}"


def _within(weight: Tensor) -> Tensor:
    """The matrix, scaled down where its spectral norm might exceed 1."""
    return weight / spectral_norm_bound(weight).clamp_min(1.0)
