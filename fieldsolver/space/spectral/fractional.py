"""The fractional Laplacian by its spectral definition: ``(-Delta)^s phi_k = |k|^(2s) phi_k``.

On a box with walls this is the spectral fractional Laplacian, a power of the Laplacian with those boundary conditions,
not the restriction of the integral operator on the whole space (A. Lischke et al., What is the fractional
Laplacian?, J. Comput. Phys. 404 (2020) 109009).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from fieldsolver.errors import ParameterError

from .line import SpectralLine
from .tensor_product import multiply


def fractional_laplacian(
    values: Tensor, lines: Sequence[SpectralLine], dims: Sequence[int], s: float | Tensor
) -> Tensor:
    """``-(-Delta)^s u``, which is the Laplacian for ``s = 1``.

    Args:
        values: ``(..., *grid)``, real or complex.
        lines: one per axis.
        dims: their axes, counted from the end (negative).
        s: a positive number, or a tensor of positive numbers that broadcasts against `values` with size 1 along `dims`;
            gradients reach it. Waves of the grid grow like ``(pi/h)^(2s)``.

    Raises:
        ParameterError: `s` is a number that is not positive.
        GridError: `lines` and `dims` do not fit the values.
    """
    if not isinstance(s, Tensor) and not (math.isfinite(s) and s > 0):
        raise ParameterError(f"the power of a fractional Laplacian is positive, got s={s!r}; s=1 is the Laplacian")

    def symbol(*wave_numbers: Tensor) -> Tensor:
        square = torch.zeros_like(wave_numbers[0])
        for k in wave_numbers:
            square = square + k * k
        at_zero = square == 0
        # The constant keeps no part in the power: the logarithm in its derivative by s would be infinite.
        return -torch.where(at_zero, 0.0, torch.where(at_zero, 1.0, square) ** s)

    return multiply(values, lines, dims, symbol)
