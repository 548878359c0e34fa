"""The error norm of each sample, scaled by the tolerances: at most 1 means acceptable."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods import Step

Tolerance = float | Tensor
"""A number, or a real tensor that broadcasts against one state (shape *state)."""

Norm = Callable[[Tensor], Tensor]
"""(B, *state) -> (B,) real: the size of each sample's scaled error."""


def error_norm(step: Step, rtol: Tolerance, atol: Tolerance, norm: Norm | None = None) -> Tensor:
    """The scaled error of each sample in an attempted step.

    Args:
        step: with its error estimate.
        rtol: relative tolerance.
        atol: absolute tolerance.
        norm: None is the root mean square over the state.

    Returns:
        (B,) real, NaN or infinite where the step went wrong; without a graph.

    Raises:
        OptionError: the method made no estimate.
    """
    if step.error is None:
        raise OptionError("the method made no error estimate; give dt= for fixed steps")
    with torch.no_grad():
        scale = torch.maximum(step.y.abs(), step.y_new.abs()).mul_(rtol).add_(atol)
        size = norm or rms
        fine = size(_ratio(step.error, scale))
        return fine if step.coarse_error is None else combined(fine, size(_ratio(step.coarse_error, scale)))


HOST_ENTRIES = 1 << 14
"""Up to so many numbers numpy on the host is several times faster than as many tensor operations."""


def suits_host(y: Tensor, rtol: Tolerance, atol: Tolerance, norm: Norm | None) -> bool:
    """Whether `host_error_norm` can take the place of `error_norm` for states like y, and is the faster one."""
    plain = norm is None and not isinstance(rtol, Tensor) and not isinstance(atol, Tensor)
    return plain and y.device.type == "cpu" and y.is_floating_point() and 0 < y.numel() <= HOST_ENTRIES


def host_error_norm(step: Step, rtol: float, atol: float) -> np.ndarray:
    """`error_norm` (B,) in float64, for small real states on the host."""
    if step.error is None:
        raise OptionError("the method made no error estimate; give dt= for fixed steps")
    samples = step.y.shape[0]
    y, y_new, error = (part.numpy(force=True).reshape(samples, -1) for part in (step.y, step.y_new, step.error))
    with np.errstate(all="ignore"):
        scale = np.maximum(np.abs(y), np.abs(y_new)) * rtol + atol
        size = _root_mean_square(error / scale + 0.0 * scale)
        if step.coarse_error is None:
            return size
        coarse = _root_mean_square(step.coarse_error.numpy(force=True).reshape(samples, -1) / scale)
        both = np.hypot(size, 0.1 * coarse)
        return size * (size / np.maximum(both, np.finfo(np.float64).tiny))


def _root_mean_square(ratio: np.ndarray) -> np.ndarray:
    square = (ratio * ratio).astype(np.float64, copy=False)
    return np.sqrt(square @ _mean_weights(square.shape[1]))


@cache
def _mean_weights(entries: int) -> np.ndarray:
    return np.full(entries, 1.0 / entries)


def _ratio(error: Tensor, scale: Tensor) -> Tensor:
    """error / scale; an infinite scale, of an infinite y_new, must not make the ratio 0."""
    return torch.add(error / scale, scale, alpha=0.0)


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
