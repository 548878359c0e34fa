"""Turing's instability: a state at rest that diffusion unsettles.

Around a uniform steady state a wave ``exp(i k x)`` grows at the rate ``max Re eig(J - k^2 diag(D))`` (A. M. Turing,
Phil. Trans. R. Soc. B 237 (1952) 37; J. D. Murray, Mathematical Biology II (2003), section 2.3).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

import fieldsolver as fs
from fieldsolver.errors import ParameterError

from .kinetics import Kinetics


def uniform_states(
    kinetics: Kinetics, *, bounds: tuple[float, float] = (0.0, 5.0), starts: int = 16, **changes: float
) -> np.ndarray:
    """Uniform steady states found by a search, ``(n, S)``.

    Args:
        kinetics: whose.
        bounds, starts: of the search, as `fieldsolver.FieldEquation.steady_states` takes them.
        changes: other values of parameters.
    """
    return _mixed(kinetics, changes).steady_states(bounds=bounds, starts=starts)


def reaction_jacobian(kinetics: Kinetics, state: np.ndarray, **changes: float) -> np.ndarray:
    """``J``, ``(S, S)``: derivatives of the well-mixed rates at the state ``(S,)``."""
    equation = _mixed(kinetics, changes)
    y = torch.as_tensor(np.asarray(state), dtype=torch.float64)
    return torch.func.jacrev(lambda value: equation(0.0, value))(y).detach().numpy()


def growth_rates(kinetics: Kinetics, state: np.ndarray, k: np.ndarray, **changes: float) -> np.ndarray:
    """Growth of the waves with wavenumbers `k` ``(n,)`` on a uniform steady state ``(S,)``: ``(n,)``.

    Diffusion enters as the symbol of the declared equation.
    """
    numbers: dict[str, Any] = {**changes}
    spread = kinetics.equation(grid=fs.Grid(8, extent=1.0), boundary=fs.Periodic(), **numbers)
    transport = spread.symbol(np.asarray(k, dtype=float)) - spread.symbol(np.zeros(1))
    return np.linalg.eigvals(reaction_jacobian(kinetics, state, **changes) + transport).real.max(-1)


def critical_ratio(J: np.ndarray) -> float:
    """``D_v/D_u`` from which on patterns form, for an activator u and an inhibitor v: ``J`` is ``(2, 2)``.

    The larger root d of ``(d f_u + g_v)^2 = 4 d det J``.

    Raises:
        ParameterError: without diffusion the state is unstable already, or u does not activate itself.
    """
    (f_u, _), (_, g_v) = J
    determinant = float(np.linalg.det(J))
    if not (f_u + g_v < 0 < determinant and f_u > 0):
        raise ParameterError(
            f"Turing's instability takes tr J < 0, det J > 0 and f_u > 0, got {f_u + g_v:.4g}, {determinant:.4g} and "
            f"{f_u:.4g}"
        )
    return float(((math.sqrt(determinant) + math.sqrt(determinant - f_u * g_v)) / f_u) ** 2)


def critical_wavenumber(J: np.ndarray, D: np.ndarray) -> float:
    """``k_c = (det J/(D_u D_v))^(1/4)``, the first wave to grow."""
    return float((np.linalg.det(J) / np.prod(D)) ** 0.25)


def _mixed(kinetics: Kinetics, changes: dict[str, float]) -> fs.FieldEquation:
    kinetics.numbers(changes)  # refuses unknown names
    numbers: dict[str, Any] = {name: value for name, value in changes.items() if name in kinetics.parameters}
    return kinetics.equation(**numbers)
