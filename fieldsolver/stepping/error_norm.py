"""The error norm of each sample, scaled by the tolerances: at most 1 means acceptable."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods import Step
from fieldsolver.methods.compiled import kernels
from fieldsolver.methods.host_runge_kutta import HOST_ENTRIES, as_array

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


def suits_host(y: Tensor, rtol: Tolerance, atol: Tolerance, norm: Norm | None) -> bool:
    """Whether `host_error_norm` can take the place of `error_norm` for states like y, and is the faster one.

    The size of the batch plays no part: a sample's numbers must not depend on how many others there are.
    """
    plain = norm is None and not isinstance(rtol, Tensor) and not isinstance(atol, Tensor)
    real = y.device.type == "cpu" and y.dtype in (torch.float32, torch.float64)
    return plain and real and 0 < y.numel() <= HOST_ENTRIES * y.shape[0]


def host_error_norm(step: Step, rtol: Tolerance, atol: Tolerance) -> np.ndarray:
    """`error_norm` (B,) in float64, for small real states on the host; both tolerances are numbers."""
    if step.error is None:
        raise OptionError("the method made no error estimate; give dt= for fixed steps")
    rtol, atol = float(rtol), float(atol)
    y, y_new, error = as_array(step.y), as_array(step.y_new), as_array(step.error)
    fine = _scaled_rms(y, y_new, error, rtol, atol)
    if step.coarse_error is None:
        return fine
    both = np.hypot(fine, 0.1 * _scaled_rms(y, y_new, as_array(step.coarse_error), rtol, atol))
    return fine * (fine / np.maximum(both, np.finfo(np.float64).tiny))


def _scaled_rms(y: np.ndarray, y_new: np.ndarray, error: np.ndarray, rtol: float, atol: float) -> np.ndarray:
    """(B,); compiled or not, it is the same to the last bit."""
    samples, real = y.shape[0], y.dtype.type
    compiled = kernels()
    if compiled is not None:
        parts = y.reshape(-1), y_new.reshape(-1), error.reshape(-1)
        norms: np.ndarray = compiled.scaled_rms(*parts, real(rtol), real(atol), samples)
        return norms
    with np.errstate(all="ignore"):
        scale = np.maximum(np.abs(y), np.abs(y_new))
        scale *= rtol
        scale += atol
        ratio = error / scale
        ratio += scale - scale  # an infinite scale, of an infinite y_new, must not make the ratio 0
        square = (ratio * ratio).reshape(samples, -1)
        return np.sqrt(_sums(square.astype(np.float64, copy=False)) / square.shape[1])


FEW = 8


def _sums(values: np.ndarray) -> np.ndarray:
    """Row sums of (B, N), term by term: NumPy's own summation takes another order for other shapes."""
    if values.shape[1] > FEW:
        return np.cumsum(values, axis=1)[:, -1]
    total = values[:, 0]
    for i in range(1, values.shape[1]):
        total = total + values[:, i]
    return total


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
