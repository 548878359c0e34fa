"""Does the procedure know what it claims? Simulate from the fit, fit again, count how often the intervals cover."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from .data import Observations
from .laplace import laplace
from .newton import minimise
from .objective import Expansion, Objective

if TYPE_CHECKING:
    from .result import FitResult

MAX_ITERATIONS = 60


@dataclass(frozen=True)
class SimulationCheck:
    """Outcome of R simulated replicates with known truth.

    Attributes:
        labels: P names.
        truth: (P,), the fitted values that the data were simulated from.
        estimates, lower, upper: (R, P), per replicate; NaN where a refit did not converge or does not determine it.
        level: what the intervals promise.
    """

    labels: tuple[str, ...]
    truth: np.ndarray
    estimates: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    level: float

    @property
    def usable(self) -> np.ndarray:
        """Replicates per unknown that gave an interval, (P,)."""
        return (np.isfinite(self.lower) & np.isfinite(self.upper)).sum(axis=0)

    @property
    def covered(self) -> np.ndarray:
        """How many of the intervals contain the truth, (P,)."""
        return ((self.lower <= self.truth) & (self.truth <= self.upper)).sum(axis=0)

    @property
    def coverage(self) -> np.ndarray:
        """Share of the usable intervals that contain the truth, (P,)."""
        return self.covered / np.maximum(self.usable, 1)


def simulation_check(result: FitResult, replicates: int, seed: int) -> SimulationCheck:
    """Refit `replicates` data sets drawn from the fit, all of them in one batch, with Laplace intervals."""
    objective = _with_replicates(result, replicates, seed)
    start = np.repeat(result.x[None], replicates, axis=0)

    def expand(points: np.ndarray, runs: np.ndarray) -> Expansion:
        return objective.expand(points, torch.from_numpy(runs))

    runs = minimise(expand, start, MAX_ITERATIONS, lambda fraction: None, objective.unknowns.places("sigma"))
    labels, z = objective.unknowns.labels, result.quantile
    sd = np.full(start.shape, np.nan)
    for i in np.flatnonzero(runs.converged):
        sd[i] = laplace(runs.hessian[i], labels).sd
    lower, upper = (objective.unknowns.meant(torch.from_numpy(runs.x + side * z * sd)).numpy() for side in (-1, 1))
    estimates = np.where(np.isfinite(sd), objective.unknowns.meant(torch.from_numpy(runs.x)).numpy(), np.nan)
    truth = objective.unknowns.meant(torch.from_numpy(result.x[None])).numpy()[0]
    return SimulationCheck(tuple(labels), truth, estimates, lower, upper, result.interval)


def draw_noise(fitted: Tensor, sigma: float, noise: str, generator: torch.Generator) -> Tensor:
    """Observations of `fitted` (any shape)."""
    shocks = sigma * torch.randn(fitted.shape, generator=generator, dtype=torch.float64)
    return fitted * shocks.exp() if noise == "lognormal" else fitted + shocks


def _with_replicates(result: FitResult, replicates: int, seed: int) -> Objective:
    base = result.objective
    generator = torch.Generator().manual_seed(seed)
    simulated = {}
    for name, values in base.observations.values.items():
        fitted = result.fitted[name].unsqueeze(1).expand(values.shape[0], replicates, *values.shape[1:])
        drawn = draw_noise(fitted, result.sigma[name], base.noise, generator)
        simulated[name] = torch.where(values.unsqueeze(1).isnan(), torch.nan, drawn)
    observations = Observations(base.observations.t, simulated)
    return Objective(base.model, observations, base.noise, base.sigma, base.priors, replicates=True)
