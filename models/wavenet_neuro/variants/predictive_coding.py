"""Predictive coding: beliefs on coarser and coarser lines descend the squared error of what they predict.

    F = 1/2 sum_i |r_{i-1} - g_i(r_i)|^2 + 1/2 |r_L|^2,    g_i(r) = P (W_i tanh(r) + b_i),    dr_i/dt = -dF/dr_i

with r_0 the features. A gradient flow of one function, so F never grows (R. P. N. Rao and D. H. Ballard, Nat. Neurosci.
2 (1999) 79; K. Friston, Phil. Trans. R. Soc. B 360 (2005) 815).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .coarse_line import coarse_mask, prolong, restrict, spread
from .dynamics import Dynamics
from .line import on_real


class PredictiveCodingField(Dynamics):
    """A hierarchy of beliefs about the features of a text.

    Args:
        channels: C, on every level.
        duration, steps: of the explicit Euler run, whose steps lower F as long as they are small.
        levels: number of levels above the features; every one is half as fine as the one below.
    """

    def __init__(self, channels: int, *, duration: float, steps: int, levels: int = 2) -> None:
        super().__init__(channels, duration=duration, steps=steps)
        self.predict = nn.ModuleList(nn.Linear(channels, channels) for _ in range(levels))

    def masks(self, mask: Tensor) -> list[Tensor]:
        """The mask of the features and of every level."""
        found = [mask]
        for _ in self.predict:
            found.append(coarse_mask(found[-1]))
        return found

    def errors(self, levels: Sequence[Tensor], masks: Sequence[Tensor]) -> list[Tensor]:
        """``r_{i-1} - g_i(r_i)`` on every line, and ``r_L`` on the last; `levels` begins with the features."""
        missed = [
            on_real(below - prolong(predict(torch.tanh(above)), mask), mask)
            for predict, below, above, mask in zip(self.predict, levels, levels[1:], masks, strict=False)
        ]
        return [*missed, levels[-1]]

    def free_energy(self, levels: Sequence[Tensor], masks: Sequence[Tensor]) -> Tensor:
        """F per sample, (B,)."""
        return torch.stack([error.square().sum((1, 2)) / 2 for error in self.errors(levels, masks)]).sum(0)

    def rates(self, levels: Sequence[Tensor], masks: Sequence[Tensor]) -> list[Tensor]:
        """``-dF/dr_i`` for the levels above the features."""
        missed = self.errors(levels, masks)
        found = []
        for i, predict in enumerate(self.predict):
            corrected = spread(missed[i], masks[i]) @ predict.get_parameter("weight")
            found.append(corrected * (1 - torch.tanh(levels[i + 1]).square()) - missed[i + 1])
        return found

    def start(self, features: Tensor, masks: Sequence[Tensor]) -> list[Tensor]:
        """The features, and every level restricted from the one below."""
        levels = [features]
        for mask in masks[:-1]:
            levels.append(restrict(levels[-1], mask))
        return levels

    def evolve(self, features: Tensor, mask: Tensor) -> Tensor:
        """The beliefs of all levels, added up on the line of the tokens."""
        masks = self.masks(mask)
        levels = self.start(features, masks)
        for _ in range(self.steps):
            rates = self.rates(levels, masks)
            moved = [
                on_real(r + self.dt * rate, real) for r, rate, real in zip(levels[1:], rates, masks[1:], strict=True)
            ]
            levels = [features, *moved]
        together = levels[-1]
        for level, real in zip(levels[-2:0:-1], masks[-2:0:-1], strict=True):
            together = level + prolong(together, real)
        return prolong(together, mask)
