"""Spikes that can be trained through: a step forward, a smooth slope backward.

E. O. Neftci, H. Mostafa and F. Zenke, IEEE Signal Process. Mag. 36(6) (2019) 51. `fast_sigmoid`: F. Zenke and
S. Ganguli, Neural Comput. 30 (2018) 1514; `arctan`: W. Fang et al., ICCV (2021).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fieldsolver.errors import OptionError, listing, nearest


def fast_sigmoid_slope(x: Tensor, sharpness: float = 10.0) -> Tensor:
    """``1/(1 + b |x|)^2``."""
    return (1 + sharpness * x.abs()) ** -2


def arctan_slope(x: Tensor, sharpness: float = 2.0) -> Tensor:
    """``(b/2)/(1 + (pi b x/2)^2)``, the derivative of ``arctan(pi b x/2)/pi``."""
    return sharpness / 2 / (1 + (math.pi * sharpness * x / 2) ** 2)


SURROGATES: dict[str, Callable[[Tensor], Tensor]] = {"fast_sigmoid": fast_sigmoid_slope, "arctan": arctan_slope}


def find_surrogate(name: str) -> Callable[[Tensor], Tensor]:
    """The slope of this name; raises `OptionError` with the nearest one."""
    if name not in SURROGATES:
        raise OptionError(f"there is no surrogate {name!r}; known: {listing(SURROGATES)}{nearest(name, SURROGATES)}")
    return SURROGATES[name]


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Callable[[Tensor], Tensor]) -> Tensor:
        """1 where x >= 0."""
        ctx.save_for_backward(x)
        ctx.slope = slope
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """The surrogate's slope in place of the delta."""
        (x,) = ctx.saved_tensors
        return gradients[0] * ctx.slope(x), None


def spike(x: Tensor, slope: Callable[[Tensor], Tensor] = fast_sigmoid_slope) -> Tensor:
    """1 where ``x >= 0`` and 0 elsewhere, with the surrogate's gradient."""
    result: Tensor = _Spike.apply(x, slope)
    return result
