"""A reaction that decides: the mean of a text pulls itself along, quickly where its words agree, slowly where not.

::

    F(phi, m) = s W^T tanh(W m + b) - (margin + s) phi,        m = mean of phi over the text,        ||W|| <= 1

With the text as a source I the field goes downhill in

    E = sum over tokens of ((margin + s)/2 |phi|^2 - I . phi)  -  n s sum of log cosh(W m + b),        n tokens,

whose curvature is at least `margin`, because tanh' <= 1: at any weights there is one state of rest, reached from
everywhere, and all states approach at least like exp(-margin t). Along the rows of W the rate is `margin` near a mean
of zero, where the words' votes balance, and margin + s where they agree and the tanh is saturated: doubtful texts take
longer (critical slowing down). Rows with ``|w| > 1`` would make the balance unstable and rest a choice between
attractors, with a singular Jacobian in between.

Sources: J. J. Hopfield, PNAS 81 (1984) 3088, for the energy; N. Goldenfeld, Lectures on Phase Transitions, 1992,
section 8.3, for the rate; R. Bogacz et al., Psychological Review 113 (2006) 700, for such dynamics as decisions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fieldsolver.nn.contractive import spectral_norm_bound


class ConsensusReaction(nn.Module):
    """F above, pointwise in the field and the mean.

    Args:
        channels: components of the field, C.
        hidden: number of questions that are decided, rows of W.
        margin: rate of contraction that is guaranteed, 1/time.
        strength: s, 1/time; fixed, so that a step that is stable stays so.
    """

    def __init__(self, channels: int, hidden: int, *, margin: float, strength: float) -> None:
        super().__init__()
        self.channels, self.margin, self.strength = channels, float(margin), float(strength)
        self.weight = nn.Parameter(nn.init.orthogonal_(torch.empty(hidden, channels)))  # W
        self.bias = nn.Parameter(torch.zeros(hidden))  # b

    def forward(self, arguments: Tensor) -> Tensor:
        """``(..., 2 C)``, phi and m, to ``(..., C)``."""
        phi, mean = arguments.split(self.channels, dim=-1)
        weight = self.weight / spectral_norm_bound(self.weight).clamp_min(1.0)
        pull: Tensor = torch.tanh(nn.functional.linear(mean, weight, self.bias)) @ weight
        return self.strength * pull - (self.margin + self.strength) * phi

    def extra_repr(self) -> str:
        """What is guaranteed."""
        return f"channels={self.channels}, margin={self.margin:g}, strength={self.strength:g}"
