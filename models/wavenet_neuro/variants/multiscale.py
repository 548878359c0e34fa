"""Coupled fields on lines of tokens, each half as fine as the one before: what is far on the first is near on the last.

phi_f' = f_f(phi_f) + kappa (P phi_c - phi_f),    phi_c' = f_c(phi_c) + kappa (R phi_f - phi_c)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .coarse_line import coarse_mask, prolong, restrict, weights
from .dynamics import Dynamics
from .line import on_real
from .medium import Medium


def exchange(fine: Tensor, coarse: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """``P c - f`` and ``R f - c``; keeps ``sum f + sum H c`` and never raises `exchange_energy`."""
    missing = on_real(restrict(fine, mask) - coarse, coarse_mask(mask))
    return prolong(coarse, mask) - on_real(fine, mask), missing


def exchange_energy(fine: Tensor, coarse: Tensor, mask: Tensor) -> Tensor:
    """``|f|^2/2 - <f, P c> + |c|_H^2/2`` per sample, at least zero: (B,)."""
    H = weights(mask, fine.dtype)
    fine = on_real(fine, mask)
    own = fine.square().sum((1, 2)) / 2 + (H * coarse.square()).sum((1, 2)) / 2
    return own - (fine * prolong(coarse, mask)).sum((1, 2))


class MultiscaleField(Dynamics):
    """Media on lines of N, N/2, N/4, ... tokens, each exchanging with the next.

    Args:
        channels: C.
        duration, steps: of the explicit Euler run.
        scales: number of lines, at least 1; one is the plain field.
        coupling: first value of kappa, one per pair of lines and channel; it stays positive.
    """

    def __init__(self, channels: int, *, duration: float, steps: int, scales: int = 3, coupling: float = 0.5) -> None:
        super().__init__(channels, duration=duration, steps=steps)
        self.media = nn.ModuleList(Medium(channels, self.dt) for _ in range(scales))
        start = torch.full((max(scales - 1, 0), channels), coupling)
        self.raw_coupling = nn.Parameter(start.expm1().log())

    def evolve(self, features: Tensor, mask: Tensor) -> Tensor:
        """Explicit Euler on all lines at once; every line starts from the restricted features and is driven by them."""
        masks, sources = [mask], [features]
        for _ in self.media[1:]:
            sources.append(restrict(sources[-1], masks[-1]))
            masks.append(coarse_mask(masks[-1]))
        kappa = nn.functional.softplus(self.raw_coupling)
        fields = list(sources)
        for _ in range(self.steps):
            rates = [medium(*given) for medium, *given in zip(self.media, fields, sources, masks, strict=True)]
            for level, strength in enumerate(kappa):
                to_fine, to_coarse = exchange(fields[level], fields[level + 1], masks[level])
                rates[level] = rates[level] + strength * to_fine
                rates[level + 1] = rates[level + 1] + strength * to_coarse
            fields = [on_real(phi + self.dt * rate, real) for phi, rate, real in zip(fields, rates, masks, strict=True)]
        return fields[0]
