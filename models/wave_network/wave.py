"""`Wave`: complex numbers as two real tensors, so that every runtime that knows real numbers can run them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Wave(NamedTuple):
    """One complex number per token and dimension.

    Attributes:
        real, imaginary: (B, N, D) each.
    """

    real: Tensor
    imaginary: Tensor

    def times(self, factor: Tensor) -> Wave:
        """Multiplied by real numbers."""
        return Wave(self.real * factor, self.imaginary * factor)


def intensity(z: Wave) -> Tensor:
    """``|Z|^2``, (B, N, D)."""
    return z.real.square() + z.imaginary.square()


def magnitude(z: Wave) -> Tensor:
    """``|Z|``, (B, N, D), with the gradient 0 where Z is 0."""
    return (intensity(z) + torch.finfo(z.real.dtype).tiny).sqrt()


def phase(z: Wave) -> Tensor:
    """The angle of Z in (-pi, pi], (B, N, D); for pictures: nothing that is trained goes through an angle."""
    return torch.atan2(z.imaginary, z.real)


def as_complex(z: Wave) -> Tensor:
    """The same numbers as one complex tensor (B, N, D)."""
    return torch.complex(z.real, z.imaginary)


def as_wave(z: Tensor) -> Wave:
    """A complex tensor as two real ones."""
    return Wave(z.real, z.imag)
