"""Quadratic Lyapunov functions of linear systems: ``A' P + P A = -Q`` with P positive definite."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..orders.models import Floats
from .samples import generator_of, spread_states
from .system import System

LARGEST = 200
STATES = 100


@dataclass(frozen=True)
class Quadratic:
    """``V = (y - y*)' P (y - y*)`` with ``dV/dt <= -(1 - residual) |y - y*|^2``.

    Attributes:
        matrix: P.
        centre: y*.
        smallest: smallest eigenvalue of P, less the error bound of the eigenvalue routine.
        residual: ``|A' P + P A + I|_2``; below 1 it proves the decrease.
    """

    matrix: Floats
    centre: Floats
    smallest: float
    residual: float


def linear_matrix(system: System, seed: int) -> tuple[Floats, Floats] | None:
    """``A, b`` of ``f = A y + b``, or None if that misses the rate of some random state."""
    size = int(np.prod(system.shape))
    if size > LARGEST:
        return None
    units = torch.eye(size, dtype=torch.float64).reshape(size, *system.shape)
    zero = torch.zeros(1, *system.shape, dtype=torch.float64)
    a, b = _jacobian(system, zero, units), system(zero).reshape(-1)
    y = spread_states(system, STATES, generator_of(seed))
    rates = system(y).flatten(1)
    flat = y.flatten(1)
    scale = flat.abs() @ a.abs().T + b.abs()
    if not bool(((flat @ a.T + b - rates).abs() <= 1e-12 * scale.amax(1, keepdim=True)).all()):
        return None
    return a.numpy(), b.numpy()


def lyapunov_equation(a: Floats, b: Floats) -> Quadratic | None:
    """The solution for ``Q = I`` (Bartels and Stewart 1972), or None unless all eigenvalues decay."""
    from scipy.linalg import solve_continuous_lyapunov

    if np.linalg.eigvals(a).real.max() > -1e-10 * max(1.0, float(np.abs(a).max())):
        return None
    p = solve_continuous_lyapunov(a.T, -np.eye(len(a)))
    p = (p + p.T) / 2
    residual = float(np.linalg.norm(a.T @ p + p @ a + np.eye(len(a)), 2))
    bound = len(a) * np.finfo(float).eps * float(np.linalg.norm(p, 2))
    smallest = float(np.linalg.eigvalsh(p)[0]) - bound
    if residual >= 0.5 or smallest <= 0:
        return None
    return Quadratic(p, np.asarray(np.linalg.solve(a, -b), dtype=float), smallest, residual)


def _jacobian(system: System, y: Tensor, units: Tensor) -> Tensor:
    columns = [torch.func.jvp(system, (y,), (unit[None],))[1].reshape(-1) for unit in units]
    return torch.stack(columns, dim=1)
