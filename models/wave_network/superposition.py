"""Two waves become one: interference adds them, modulation multiplies them, a learned mixture does both."""

from __future__ import annotations

import torch
from torch import Tensor

from .columns import Columns
from .wave import Wave, intensity

MODES = ("modulation", "interference", "learnable")


def interference(one: Wave, other: Wave) -> Wave:
    """``Z1 + Z2``: ``|Z|^2 = |Z1|^2 + |Z2|^2 + 2 |Z1| |Z2| cos(a1 - a2)``."""
    return Wave(one.real + other.real, one.imaginary + other.imaginary)


def modulation(one: Wave, other: Wave) -> Wave:
    """``Z1 Z2``: magnitudes multiply, angles add. ``|Z1 Z2| = G1 G2`` is the same for all tokens of a text."""
    return Wave(
        one.real * other.real - one.imaginary * other.imaginary,
        one.real * other.imaginary + one.imaginary * other.real,
    )


def normalised(z: Wave, columns: Columns) -> Wave:
    """Z over the root mean square of its column; a normalised modulation of the paper's waves has ``|Z| = 1``."""
    mean = columns.mean(intensity(z))
    return z.times(mean.clamp(min=torch.finfo(mean.dtype).tiny).rsqrt())


def mixture(one: Wave, other: Wave, weight: Tensor, columns: Columns) -> Wave:
    """``weight`` times the modulation plus ``1 - weight`` times the interference, both normalised.

    One has the size of G^2 and the other that of G: without the normalisation the length of the text would choose.
    """
    product = normalised(modulation(one, other), columns).times(weight)
    total = normalised(interference(one, other), columns).times(1 - weight)
    return interference(product, total)
