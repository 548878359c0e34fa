"""Diffusion beyond one coefficient per channel; all of it takes energy out, whatever the weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class CrossDiffusion(nn.Module):
    """``D x`` with ``D = L L^T``, symmetric and positive semi-definite: channels spread into each other.

    Args:
        channels: C.
        diffusivity: D starts near this multiple of the identity.
    """

    def __init__(self, channels: int, diffusivity: float) -> None:
        super().__init__()
        noise = torch.randn(channels, channels) / channels
        self.factor = nn.Parameter(math.sqrt(diffusivity) * (torch.eye(channels) + 0.1 * noise))

    def forward(self, x: Tensor) -> Tensor:
        """``(..., C)`` -> ``(..., C)``."""
        return x @ self.factor @ self.factor.T

    def largest(self) -> Tensor:
        """The largest eigenvalue of D."""
        return torch.linalg.matrix_norm(self.factor, ord=2).square()


class LearnedSpread(nn.Module):
    """``A phi = -sum_s g_s (I - S_s)^T (I - S_s) phi`` over distances s along every axis, ``g_s = exp(rho_s) > 0``.

    Written as fluxes between cells that are both inside, so padding takes part in nothing and totals stay.

    Args:
        channels: C.
        axes: number of axes of the grid.
        shifts: distances 1 .. shifts.
        diffusivity: where ``sum_s s^2 g_s`` starts, which is what long waves feel.
        periodic: the axes are circles.
    """

    def __init__(self, channels: int, axes: int, shifts: int, diffusivity: float, *, periodic: bool = False) -> None:
        super().__init__()
        distance = torch.arange(1, shifts + 1, dtype=torch.get_default_dtype())
        start = (diffusivity / (shifts * distance.square())).log()
        self.rho = nn.Parameter(start.repeat(axes, channels, 1))
        self.periodic = periodic

    def forward(self, arguments: Tensor) -> Tensor:
        """``(B, C + 1, *grid)``, the field and then 1 inside and 0 outside, to ``(B, C, *grid)``."""
        phi, inside = arguments[:, :-1], arguments[:, -1:]
        total = torch.zeros_like(phi)
        for axis, of_axis in enumerate(self.rho.exp()):
            dim = axis + 2
            for shift, weight in enumerate(of_axis.unbind(-1), start=1):
                if shift >= phi.shape[dim]:
                    break
                shape = (-1,) + (1,) * (phi.dim() - 2)
                total = total + self._between(phi, inside, shift, dim) * weight.reshape(shape)
        return total

    def _between(self, phi: Tensor, inside: Tensor, shift: int, dim: int) -> Tensor:
        """What comes from the cells at this distance, before and behind."""
        if self.periodic:
            ahead = (phi.roll(-shift, dim) - phi) * inside * inside.roll(-shift, dim)
            return ahead - ahead.roll(shift, dim)
        count = phi.shape[dim] - shift
        near, far = (phi.narrow(dim, first, count) for first in (0, shift))
        flux = (far - near) * inside.narrow(dim, 0, count) * inside.narrow(dim, shift, count)
        edge = flux.new_zeros(*flux.shape[:dim], shift, *flux.shape[dim + 1 :])
        return torch.cat([flux, edge], dim) - torch.cat([edge, flux], dim)

    def largest(self) -> Tensor:
        """A bound of the spectrum of -A: every pair of cells counts up to 4 times its weight."""
        return 4 * self.rho.exp().sum((0, 2)).max()
