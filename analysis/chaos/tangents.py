"""An orbit with its tangents as one function: z = (y, v_1 .. v_k) -> (f(y), J(y) v_1 .. J(y) v_k).

The products are forward-mode derivatives. They are recorded once as a flat list of tensor operations: a state of three
numbers would otherwise wait a millisecond for each of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from .dynamics import Dynamics, Rate

DIFFERENCE = 1e-6
"""Relative distance of central differences, where f cannot be differentiated: error about 1e-10."""


@dataclass
class Tangents:
    """Counts what it evaluates.

    Attributes:
        count: k, tangents beside each state.
        exact: the products are derivatives; False for differences.
        calls: evaluations of a batch so far.
    """

    count: int
    exact: bool
    calls: int
    _function: Rate

    def __call__(self, t: Tensor, z: Tensor) -> Tensor:
        """(B,), (B, n + k n) -> (B, n + k n)."""
        self.calls += 1
        return self._function(t, z)


def tangents(dynamics: Dynamics, batch: int, count: int) -> Tangents:
    """The extended function for a batch of this size."""
    size = dynamics.starts.shape[1]
    t = torch.zeros(batch, dtype=torch.float64)
    z = torch.zeros(batch, size * (1 + count), dtype=torch.float64)
    z[:, :size] = dynamics.starts[:1]
    z[:, size:] = 1.0
    by_derivative = _extended(dynamics.rate, size, count)
    dynamics.rate(t, z[:, :size])  # a fault of f itself ends the study here
    try:
        by_derivative(t, z)
    except (RuntimeError, NotImplementedError):  # no forward derivative: NumPy inside, or .item()
        return Tangents(count, False, 0, _differences(dynamics.rate, size, count))
    return Tangents(count, True, 0, _recorded(by_derivative, t, z))


def _extended(rate: Rate, size: int, count: int) -> Rate:
    if count == 0:
        return rate

    def function(t: Tensor, z: Tensor) -> Tensor:
        y, v = z[:, :size], z[:, size:].reshape(-1, count, size)
        f, products = torch.func.vmap(
            lambda one: torch.func.jvp(lambda state: rate(t, state), (y,), (one,))[:2], in_dims=1
        )(v)
        return torch.cat([f[0], products.transpose(0, 1).flatten(1)], 1)  # (k, B, n) both, f the same for all

    return function


def _differences(rate: Rate, size: int, count: int) -> Rate:
    def function(t: Tensor, z: Tensor) -> Tensor:
        y, v = z[:, :size], z[:, size:].reshape(-1, count, size)
        parts = [rate(t, y)]
        scale = DIFFERENCE * (1 + y.norm(dim=1, keepdim=True))
        for one in v.unbind(1):
            h = scale / one.norm(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
            parts.append((rate(t, y + h * one) - rate(t, y - h * one)) / (2 * h))
        return torch.cat(parts, 1)

    return function


def _recorded(function: Rate, t: Tensor, z: Tensor) -> Rate:
    """The function without the bookkeeping of its derivatives; itself where it cannot be recorded.

    A record holds the branches taken for these numbers, so it is used only if it agrees elsewhere.
    """
    try:
        record = make_fx(function)(t, z)
    except Exception:  # the tracer raises whatever the function does; recording only saves time
        return function
    record.graph.eliminate_dead_code()
    record.recompile()
    generator = torch.Generator().manual_seed(0)
    for scale in (0.1, 1.0, -1.0):
        other = z + scale * torch.randn(z.shape, generator=generator, dtype=torch.float64)
        later = t + abs(scale)
        if not torch.allclose(record(later, other), function(later, other), rtol=1e-12, atol=1e-12, equal_nan=True):
            return function
    return record


def orthonormal(batch: int, moving: Tensor, count: int, seed: int) -> Tensor:
    """(B, k, n) random orthonormal tangents in the coordinates that move, the same for all samples."""
    generator = torch.Generator().manual_seed(seed)
    draws = torch.randn(int(moving.sum()), count, generator=generator, dtype=torch.float64)
    frame = torch.zeros(moving.numel(), count, dtype=torch.float64)
    frame[moving] = torch.linalg.qr(draws)[0]
    return frame.T.expand(batch, count, moving.numel()).clone()
