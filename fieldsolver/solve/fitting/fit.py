"""`fit`: parameters of a declared equation from observations, with intervals."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError
from fieldsolver.solve.progress import ProgressBar

from .arguments import adaptive_method, check_options, declare_unknowns, given_sigma, initial_time
from .data import read_observations
from .descent import descend
from .model import Model
from .newton import Runs, minimise, newton_decrement
from .objective import Expansion, Objective
from .priors import Prior, assign_priors
from .report import report
from .result import FitResult

LARGEST_NEWTON = 64
"""Unknowns up to which every iteration can afford a Hessian (a batch of twice as many solves)."""
LARGEST_HESSIAN = 400
SPREADS = (0.25, 1.0)
"""Standard deviation of further starting points, drawn from this range, in the optimiser's coordinates: factors of 1.3
to 2.7 on positive values."""
CANDIDATES = 32
"""Points screened for every further start that is used."""


def fit(
    equation: FieldEquation,
    data: Any,
    *,
    initial: Mapping[str, Any],
    t0: float | None = None,
    noise: str = "lognormal",
    sigma: float | Mapping[str, float] | None = None,
    interval: float = 0.9,
    priors: Mapping[str, Prior] | None = None,
    method: str = "tsit5",
    rtol: float = 1e-7,
    atol: float = 1e-9,
    max_steps: int = 5_000,
    max_iterations: int = 100,
    uncertainty: str = "laplace",
    starts: int = 8,
    seed: int = 0,
    progress: bool | None = None,
) -> FitResult:
    """Fit the `Parameter`s of an equation, and initial values, by maximum likelihood or maximum a posteriori.

    Gradients are exact for the discrete solution of the adaptive solve. Up to 64 unknowns are found by Newton's method
    in a trust region, more by L-BFGS-B. The caller's equation is not changed: the fit works on a copy, returned as
    ``result.equation``. Weights of modules stay as they are.

    Args:
        equation: a declared equation; its trainable parameters are the unknowns, their values the start.
        data: ``{"t": times, field: values}``, or an xarray Dataset with a coordinate `time` and one variable per
            observed field. Values (T,) or (T, *grid), or (T, c, *grid) for c components; NaN means not observed.
            Fields that were never observed are left out.
        initial: per field of the equation a number or tensor (fixed) or a `Parameter` (estimated).
        t0: time of the initial state; None takes the first time of the data.
        noise: ``"lognormal"`` (independent normal errors of the logarithm) or ``"normal"``.
        sigma: noise scale per observed field, or one for all; None estimates them.
        interval: level of the intervals.
        priors: per unknown (``"alpha"``, ``"u(t0)"``, ``"sigma(u)"``, or ``"sigma"`` for all noise scales) a
            `fieldsolver.solve.Normal` or `LogNormal` density of the value as meant. The estimate is then the mode of
            the posterior density of the meant values (no Jacobian), as that of Stan's ``optimizing``.
        method, rtol, atol, max_steps: as in `solve`; a start whose solve fails counts as infinitely bad.
        max_iterations: of the optimiser, per start.
        uncertainty: ``"laplace"``; ``"profile"`` adds profile likelihood intervals; ``"none"``.
        starts: number of starting points: the given one, and the best of 32 times as many random ones around it.
        seed: of the random starting points.
        progress: show a bar: True, False, or None for only on a terminal.

    Raises:
        OptionError, StateError, ParameterError: one sentence about what cannot be.
    """
    started = time.perf_counter()
    check_options(equation, noise, interval, uncertainty, starts, max_iterations, rtol, atol)
    observations = read_observations(data, equation, noise)
    begin = initial_time(t0, observations)
    scheme = adaptive_method(method)
    given = given_sigma(sigma, observations)
    unknowns, fixed = declare_unknowns(equation, initial, observations, given)
    assigned = assign_priors(priors, [block.label for block in unknowns.blocks])
    model = Model(equation, unknowns, fixed, begin, scheme, {"rtol": rtol, "atol": atol, "max_steps": max_steps})
    objective = Objective(model, observations, noise, given, assigned)

    with ProgressBar("fitting", progress) as bar:
        points = _starting_points(objective, starts, seed)
        runs = _minimise(objective, points, max_iterations, bar)
    return report(equation, objective, runs, interval, uncertainty, progress, started)


def _minimise(objective: Objective, points: np.ndarray, max_iterations: int, bar: ProgressBar) -> Runs:
    def expand(x: np.ndarray, runs: np.ndarray) -> Expansion:
        return objective.expand(x)

    size = objective.unknowns.size
    if size <= LARGEST_NEWTON:
        return minimise(expand, points, max_iterations, bar, objective.unknowns.places("sigma"))
    runs = descend(objective, points, max_iterations, bar)
    if size <= LARGEST_HESSIAN:
        best = int(np.argmin(runs.value))
        at = objective.expand(runs.x[best : best + 1])
        runs.gradient[best], runs.hessian[best] = at.gradient[0], at.hessian[0]
        runs.decrement[best] = newton_decrement(at.gradient, at.hessian)[0]
    return runs


def _starting_points(objective: Objective, starts: int, seed: int) -> np.ndarray:
    """(S, P): the given start and the best of many random ones, each with the noise scales of its own residuals."""
    unknowns = objective.unknowns
    generator = torch.Generator().manual_seed(seed)
    # Side by side, a hundred solves cost what one costs; one after the other, only the starts themselves are tried.
    candidates = (starts - 1) * (CANDIDATES if objective.model.batched else 1)
    shifts = torch.randn((candidates, unknowns.size), generator=generator, dtype=torch.float64)
    shifts *= torch.linspace(*SPREADS, len(shifts), dtype=torch.float64).unsqueeze(1)
    points = unknowns.start + torch.cat([torch.zeros(1, unknowns.size, dtype=torch.float64), shifts])
    scales = objective.residual_scales(points)
    for place in unknowns.places("sigma"):
        name = unknowns.labels[place].removeprefix("sigma(").removesuffix(")")
        column = scales[:, list(objective.data).index(name)]
        points[:, place] = column.clamp(min=max(10 * objective.floor[name], 1e-300)).log().nan_to_num(posinf=0.0)
    values = objective.values(points)
    order = [0, *(1 + torch.argsort(values[1:]))[: starts - 1].tolist()]
    usable = [i for i in order if torch.isfinite(values[i])]
    if not usable:
        what = "a field is not positive, or " if objective.noise == "lognormal" else ""
        raise OptionError(
            f"at none of the {len(points)} starting points the likelihood is finite: {what}the solve failed; start "
            "from other values, or try fs.solve with them"
        )
    return points[usable].numpy()
