"""torchdiffeq's `scipy_solver`: the integrators of SciPy, stiff ones among them, without gradients."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import FieldSolverWarning, OptionError

from .errors import OdeintFailed
from .options import read_options
from .problem import Problem

IGNORED = ("norm", "grid_points", "eps")
"""Options that torchdiffeq accepts here and does not use."""
SOLVERS = ("RK45", "RK23", "DOP853", "Radau", "BDF", "LSODA")


def solve_with_scipy(
    problem: Problem, t: Tensor, rtol: float | Tensor, atol: float | Tensor, options: Mapping[str, Any]
) -> Tensor:
    """(T, *state) by `scipy.integrate.solve_ivp`.

    Args:
        problem: what is solved.
        t: (T,) output times.
        rtol: relative tolerance.
        atol: absolute tolerance.
        options: `solver`, a name of SciPy (LSODA if there is none), `min_step` (LSODA only) and `max_step`.

    Raises:
        OptionError: options that SciPy does not have.
        OdeintFailed: SciPy did not reach the last time.
    """
    from scipy.integrate import solve_ivp

    readers: dict[str, Callable[[Any], Any]] = {"solver": _solver, "min_step": float, "max_step": float}
    given = read_options({k: v for k, v in options.items() if k not in IGNORED}, readers, "scipy_solver")
    if torch.is_grad_enabled() and problem.y0.requires_grad:
        warnings.warn(
            "method 'scipy_solver' gives no gradients; the solution is detached", FieldSolverWarning, stacklevel=5
        )
    y0, times = problem.y0.detach(), t.detach().double().cpu().numpy()
    if times.size == 1:
        return y0.unsqueeze(0)
    extra: dict[str, Any] = {"max_step": given.get("max_step", math.inf)}
    solver = given.get("solver", "LSODA")
    if given.get("min_step", 0.0) > 0.0 and solver == "LSODA":
        extra["min_step"] = given["min_step"]

    def function(time: float, values: np.ndarray) -> np.ndarray:
        state = torch.from_numpy(values.copy()).to(y0.device, y0.dtype).reshape(y0.shape)
        with torch.no_grad():
            return (
                problem.rate(torch.tensor(time, dtype=torch.float64, device=y0.device), state).cpu().numpy().reshape(-1)
            )

    result = solve_ivp(
        function, (times[0], times[-1]), y0.cpu().numpy().reshape(-1), method=solver, t_eval=times,
        rtol=_to_numpy(rtol, y0), atol=_to_numpy(atol, y0), **extra,
    )  # fmt: skip
    states = torch.from_numpy(result.y.T.copy()).to(y0.device, y0.dtype).reshape(-1, *y0.shape)
    if not result.success:
        raise OdeintFailed(f"SciPy's {solver} stopped early: {result.message}")
    return states


def _solver(name: Any) -> str:
    if name not in SOLVERS:
        raise OptionError(f"expected one of {', '.join(SOLVERS)}")
    return str(name)


def _to_numpy(tolerance: float | Tensor, y0: Tensor) -> float | np.ndarray:
    return tolerance if isinstance(tolerance, float) else tolerance.expand(y0.shape).reshape(-1).cpu().numpy()
