"""Automatic first step size, per sample.

Source: Hairer, Norsett, Wanner, *Solving Ordinary Differential Equations I* (1993), section II.4, "starting step size"
(a)-(f). The trial Euler step stays inside the time span, where f may be undefined beyond it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fieldsolver.methods.host_runge_kutta import as_array

from .arithmetic import Arithmetic, Array
from .error_norm import Norm, Tolerance, rms
from .vector_field import VectorField


def initial_step(
    field: VectorField, t0: float, y0: Tensor, k1: Tensor, largest: float, direction: float, k: int,
    rtol: Tolerance, atol: Tolerance, norm: Norm | None = None, xp: Arithmetic = np,
) -> Array:  # fmt: skip
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
        norm: of the scaled values; None is the root mean square.
        xp: arithmetic of the result.

    Returns:
        (B,) float64, on the host if `xp` is numpy.
    """
    size = norm or rms
    with torch.no_grad():
        scale = y0.abs() * rtol + atol
        d0, d1 = _numbers(xp, size(y0 / scale), size(k1 / scale))
        h0 = xp.minimum(trial_step(d0, d1, xp), largest)
        dt = torch.as_tensor(h0 * direction, device=y0.device)
        y1 = y0 + dt.to(scale.dtype).view(-1, *[1] * (y0.dim() - 1)) * k1
        (change,) = _numbers(xp, size((field(dt + t0, y1) - k1) / scale))
        return xp.minimum(first_step(h0, d1, change / h0, k, xp), largest)


def trial_step(d0: Array, d1: Array, xp: Arithmetic = np) -> Array:
    """h0: an Euler step that moves y by about 1 % of its size; d0, d1 are the norms of y and of its derivative."""
    small = (d0 < 1e-5) | ~(d1 >= 1e-5)
    return xp.where(small, 1e-6, 0.01 * d0 / xp.where(small, 1.0, d1))


def first_step(h0: Array, d1: Array, d2: Array, k: int, xp: Arithmetic = np) -> Array:
    """h1 with h1^k max(d1, d2) = 0.01, at most 100 h0; d2 is the norm of the second derivative."""
    largest = xp.maximum(d1, d2)  # NaN where the trial step went wrong
    still = largest <= 1e-15
    h1 = xp.where(still, xp.maximum(1e-3 * h0, 1e-6), (0.01 / xp.where(still, 1.0, largest)) ** (1 / k))
    return xp.where(xp.isfinite(largest), xp.minimum(100.0 * h0, h1), 1e-3 * h0)


def _numbers(xp: Arithmetic, *norms: Tensor) -> list[Array]:
    """Several (B,) norms as float64 arrays, on the host by one read."""
    values = torch.stack(norms).double()
    return list(as_array(values.to("cpu")) if xp is np else values)
