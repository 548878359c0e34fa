"""Parallel paths: attention beside a fast and a slow field, weighted by a softmax."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fieldsolver.models.parts import MaskedAttention

from .dynamics import Dynamics
from .line import on_real
from .medium import Medium


class HybridField(Dynamics):
    """Attention, a field that spreads far and one that stays near, in parallel from the same features.

    Args:
        channels: C.
        duration, steps: of the explicit Euler runs of the fields.
        diffusion: first diffusivities of the fields; those beyond what the step allows start at half of it.
        heads: of the attention; one where C is no multiple of them.
    """

    def __init__(
        self,
        channels: int,
        *,
        duration: float,
        steps: int,
        diffusion: tuple[float, ...] = (0.3, 0.05),
        heads: int = 4,
    ) -> None:
        super().__init__(channels, duration=duration, steps=steps)
        self.attend = MaskedAttention(channels, heads if channels % heads == 0 else 1)
        self.media = nn.ModuleList(Medium(channels, self.dt, D) for D in diffusion)
        self.weights = nn.Parameter(torch.zeros(1 + len(diffusion)))

    def evolve(self, features: Tensor, mask: Tensor) -> Tensor:
        """The weighted sum of the paths."""
        paths = [features + self.attend(features, mask)]
        for medium in self.media:
            phi = features
            for _ in range(self.steps):
                phi = phi + self.dt * medium(on_real(phi, mask), features, mask)
            paths.append(phi)
        return torch.einsum("p,pbnc->bnc", torch.softmax(self.weights, 0), torch.stack(paths))
