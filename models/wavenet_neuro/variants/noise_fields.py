"""Increments of space-time noise on a grid.

White noise in the plane is no function: on cells of volume ``h^d`` its increment over dt is ``sqrt(dt/h^d) xi``, and
values grow with every refinement. Coloured noise has a limit: here white noise through the filter
``(1 + l^2 k^2)^-s`` (G. J. Lord, C. E. Powell and T. Shardlow, Computational Stochastic PDEs (2014), chapter 10).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from fieldsolver.errors import OptionError


def white_increment(
    shape: Sequence[int], dt: float, *, cell: float = 1.0, generator: torch.Generator, dtype: torch.dtype
) -> Tensor:
    """``sqrt(dt/cell) xi`` with independent normal xi, of this shape; `cell` is ``h^d``, 1 without a grid."""
    return torch.randn(tuple(shape), generator=generator, dtype=dtype) * math.sqrt(dt / cell)


def coloured(
    white: Tensor, spacing: Sequence[float], length: float, *, power: float = 1.0, periodic: bool = True
) -> Tensor:
    """White noise ``(..., *grid)`` through ``(1 + l^2 k^2)^-s``.

    Its variance has a limit under refinement for ``s > d/4``.

    Args:
        white: increments.
        spacing: h per axis of the grid.
        length: l, the length over which it is smoothed.
        power: s.
        periodic: waves that fit the period, or, between walls, the cosines that are flat there.

    Raises:
        OptionError: a length or a power that is not positive.
    """
    if not (length > 0 and power > 0):
        raise OptionError(f"coloured noise takes a positive length and power, got {length:g} and {power:g}")
    dims = tuple(range(-len(spacing), 0))
    extended = white
    if not periodic:
        for dim in dims:  # the even continuation; a filter that is even keeps it so
            extended = torch.cat([extended, extended.flip(dim)], dim)
    squared = torch.zeros((), dtype=white.dtype)
    for dim, h in zip(dims, spacing, strict=True):
        k = 2 * math.pi * torch.fft.fftfreq(extended.shape[dim], h, dtype=white.dtype)
        squared = squared + (k**2).reshape(-1, *[1] * (-dim - 1))
    smooth = torch.fft.ifftn(torch.fft.fftn(extended, dim=dims) * (1 + length**2 * squared) ** -power, dim=dims).real
    for dim in dims:
        smooth = smooth.narrow(dim, 0, white.shape[dim])
    return smooth


def ou_spectrum(k: Tensor, sigma: float, a: float, D: float) -> Tensor:
    """``sigma^2/(2 (a + D k^2))``: stationary spectrum of ``du = (D laplacian(u) - a u) dt + sigma dW``."""
    return sigma**2 / (2 * (a + D * k**2))
