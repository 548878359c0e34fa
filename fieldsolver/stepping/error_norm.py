"""The error norm of each sample, scaled by the tolerances: at most 1 means acceptable."""

from __future__ import annotations

import math

import torch
from torch import Tensor

Tolerance = float | Tensor
"""A number, or a real tensor that broadcasts against one state (shape *state)."""


def error_norm(error: Tensor, y: Tensor, y_new: Tensor, rtol: Tolerance, atol: Tolerance) -> Tensor:
    """RMS over the state of error / (atol + rtol max(|y|, |y_new|)).

    Args:
        error: (B, *state), local error estimate.
        y: (B, *state), before the step.
        y_new: (B, *state), after it.
        rtol: relative tolerance.
        atol: absolute tolerance.

    Returns:
        (B,) real, NaN or infinite where the step went wrong.
    """
    scale = torch.maximum(y.abs(), y_new.abs()) * rtol + atol
    ratio = torch.add(error.abs() / scale, scale, alpha=0.0)  # an infinite y_new must not make the ratio 0
    return rms(ratio)


def combined(fine: Tensor, coarse: Tensor) -> Tensor:
    """fine^2 / sqrt(fine^2 + 0.01 coarse^2) of two error norms (B,), the coarse one of an estimate of lower order.

    With estimates of orders 5 and 3 it falls like h^8, the order of the method whose error they watch.

    Source: Hairer, Norsett, Wanner, *Solving Ordinary Differential Equations I* (1993), section II.10, as in
    their code DOP853.
    """
    both = torch.hypot(fine, 0.1 * coarse)
    return fine * (fine / both.clamp(min=torch.finfo(both.dtype).tiny))  # no error at all is 0, not 0/0


def rms(ratio: Tensor) -> Tensor:
    """Root mean square over all axes but the first: (B, *state) -> (B,)."""
    flat = ratio.reshape(ratio.shape[0], -1)
    return torch.linalg.vector_norm(flat, dim=1) / math.sqrt(max(flat.shape[1], 1))
