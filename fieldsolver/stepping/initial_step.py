"""Automatic first step size, per sample.

Source: Hairer, Norsett, Wanner, *Solving Ordinary Differential Equations I* (1993), section II.4, "starting step size"
(a)-(f). The trial Euler step stays inside the time span, where f may be undefined beyond it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .error_norm import Tolerance, rms
from .vector_field import VectorField


def initial_step(
    field: VectorField, t0: float, y0: Tensor, k1: Tensor, largest: float, direction: float, k: int,
    rtol: Tolerance, atol: Tolerance,
) -> np.ndarray:  # fmt: skip
    """Size of the first step of each sample, positive.

    Args:
        field: the right-hand side; evaluated once.
        t0: initial time.
        y0: (B, *state), initial states.
        k1: (B, *state), f(t0, y0).
        largest: upper limit, at most the length of the time span.
        direction: +1 or -1, the sign of the steps.
        k: one more than the order of the error estimate.
        rtol: relative tolerance.
        atol: absolute tolerance.

    Returns:
        (B,) float64 on the host.
    """
    scale = y0.abs() * rtol + atol
    d0, d1 = _to_host(rms(y0.abs() / scale), rms(k1.abs() / scale))
    h0 = np.minimum(trial_step(d0, d1), largest)
    dt = torch.from_numpy(direction * h0).to(y0.device)
    shape = (-1, *[1] * (y0.dim() - 1))
    real = scale.dtype
    y1 = y0 + dt.to(real).view(shape) * k1
    (change,) = _to_host(rms((field(t0 + dt, y1) - k1).abs() / scale))
    return np.minimum(first_step(h0, d1, change / h0, k), largest)


def trial_step(d0: np.ndarray, d1: np.ndarray) -> np.ndarray:
    """h0: an Euler step that moves y by about 1 % of its size; d0, d1 are the norms of y and of its derivative."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((d0 < 1e-5) | ~(d1 >= 1e-5), 1e-6, 0.01 * d0 / d1)


def first_step(h0: np.ndarray, d1: np.ndarray, d2: np.ndarray, k: int) -> np.ndarray:
    """h1 with h1^k max(d1, d2) = 0.01, at most 100 h0; d2 is the norm of the second derivative."""
    largest_derivative = np.maximum(d1, d2)  # NaN where the trial step went wrong
    with np.errstate(divide="ignore"):
        h1 = np.where(largest_derivative <= 1e-15, np.maximum(1e-6, 1e-3 * h0), (0.01 / largest_derivative) ** (1 / k))
    return np.where(np.isfinite(largest_derivative), np.minimum(100.0 * h0, h1), 1e-3 * h0)


def _to_host(*norms: Tensor) -> np.ndarray:
    """Several (B,) norms by one host read."""
    return torch.stack(norms).detach().to("cpu", torch.float64).numpy()
