"""What `fit` returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError, listing, nearest
from fieldsolver.results import Verdict

from .bands import Bands, predictive_bands
from .newton import FLAT, unit_size
from .objective import Expansion, Objective
from .profile import profile_intervals
from .simulation import SimulationCheck, simulation_check

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

Interval = tuple[float, float]


@dataclass(frozen=True)
class FitResult:
    """Estimates with intervals, and how far to trust them.

    Unknowns are called ``alpha`` (a parameter), ``u(t0)`` (an initial value) and ``sigma(u)`` (a noise scale); entries
    of tensors carry their indices, ``D[2]``.

    Attributes:
        equation: a copy of the caller's equation with the fitted values; the caller's own is not changed.
        initial: the initial state that belongs to it, per field.
        estimates: every unknown as meant (positive, inside its bounds).
        intervals: the interval that was asked for: Laplace's, or that of the profile likelihood. NaN where the data do
            not determine the unknown or an end was not found.
        laplace_intervals, profile_intervals: one kind each; the latter empty unless asked for.
        interval: the level, such as 0.9.
        sigma: noise scale per observed field, of the values or of their logarithms.
        fitted: predictions at the observed times, (T, *own) per observed field.
        log_likelihood: at the estimates, without the priors.
        aic, bic: information criteria; their penalties presume a maximum likelihood fit without priors.
        observations_count: how many numbers were observed.
        converged: whether the Newton decrement is at most 1e-6 (an estimate within 0.0014 standard errors).
        identifiable: whether the Hessian is positive definite.
        status, reason: the verdict and its sentence; `notes` holds what else should be known.
        gradient_norm, decrement: at the estimates, in the optimiser's coordinates.
        iterations, evaluations: of the best run; solves in all, each sample of a batch counted.
        starts: how many starting points; `starts_agreeing` of them ended in this minimum.
        seconds: wall time.
        labels, x, covariance, hessian: the optimiser's coordinates (logarithms of positive values, logits of bounded
            ones, free values in units of their start), in the order of `labels`.
        quantile: normal quantile of the interval.
        objective: the negative log posterior itself.
    """

    equation: FieldEquation
    initial: dict[str, Tensor]
    estimates: dict[str, float]
    laplace_intervals: dict[str, Interval]
    interval: float
    sigma: dict[str, float]
    fitted: dict[str, Tensor]
    log_likelihood: float
    converged: bool
    identifiable: bool
    status: Verdict
    reason: str
    notes: tuple[str, ...]
    gradient_norm: float
    decrement: float
    iterations: int
    evaluations: int
    starts: int
    starts_agreeing: int
    seconds: float
    labels: tuple[str, ...]
    x: np.ndarray
    covariance: np.ndarray
    hessian: np.ndarray
    value: float
    quantile: float
    objective: Objective = field(repr=False)
    profile_intervals: dict[str, Interval] = field(default_factory=dict)

    @property
    def intervals(self) -> dict[str, Interval]:
        """Per unknown, as asked for."""
        return {**self.laplace_intervals, **self.profile_intervals}

    @property
    def observations_count(self) -> int:
        """How many numbers were observed."""
        return self.objective.observations.count

    @property
    def aic(self) -> float:
        """Akaike's criterion, ``2 P - 2 log L``."""
        return 2 * len(self.labels) - 2 * self.log_likelihood

    @property
    def bic(self) -> float:
        """Schwarz's criterion, ``P log n - 2 log L``."""
        return float(len(self.labels) * np.log(self.observations_count) - 2 * self.log_likelihood)

    def profile(self, *names: str, progress: bool | None = None) -> dict[str, Interval]:
        """Profile likelihood intervals of some unknowns (all without arguments); NaN for an end that was not found.

        Raises:
            OptionError: an unknown name, or a fit whose Hessian is not positive definite.
        """
        from fieldsolver.solve.progress import ProgressBar

        for name in names:
            if name not in self.labels:
                raise OptionError(
                    f"there is no unknown {name!r}; unknown: {listing(self.labels)}{nearest(name, self.labels)}"
                )
        chosen = [i for i, label in enumerate(self.labels) if not names or label in names]
        size = unit_size(self.hessian)
        if not np.linalg.eigvalsh(self.hessian / np.outer(size, size))[0] > FLAT:
            raise OptionError(f"no profile can be drawn: {self.reason}; fix some of the unknowns or add priors")
        with ProgressBar("profiling", progress) as bar:
            ends = profile_intervals(
                self._expand, self.x, self.value, self.hessian, chosen, 0.5 * self.quantile**2, bar
            )
        low, high = (self._meant_at(chosen, ends[:, side]) for side in (0, 1))
        return {self.labels[i]: (low[k], high[k]) for k, i in enumerate(chosen)}

    def predict(self, times: Tensor | Sequence[float], *, draws: int = 400, seed: int = 0) -> Bands:
        """Curves at increasing times from `t0` on; the bands come from draws of Laplace's approximation."""
        return predictive_bands(self, torch.as_tensor(times, dtype=torch.float64), draws, seed)

    def simulation_check(self, replicates: int = 20, *, seed: int = 0) -> SimulationCheck:
        """Simulate data from the fit, refit them, and count how often the intervals cover (see `SimulationCheck`)."""
        return simulation_check(self, replicates, seed)

    def to_xarray(self) -> xarray.Dataset:
        """A labelled dataset: estimates, intervals, covariance, data and fitted curves, provenance."""
        from .dataset import to_dataset

        return to_dataset(self)

    def table(self) -> str:
        """The estimates as text."""
        from .table import to_text

        return to_text(self)

    def plot(self) -> Figure:
        """Data, fit and bands over time (equations without a grid); predicted against observed values otherwise."""
        from .picture import plot_fit

        return plot_fit(self)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} = {value:.4g}" for name, value in list(self.estimates.items())[:8])
        return f"<FitResult: {self.status.name}: {shown}>"

    def _expand(self, points: np.ndarray, runs: np.ndarray) -> Expansion:
        return self.objective.expand(points)

    def _meant_at(self, chosen: Sequence[int], ends: np.ndarray) -> list[float]:
        """Meant values of single unknowns at other coordinates."""
        points = np.repeat(self.x[None], len(chosen), axis=0)
        rows = np.arange(len(chosen))
        points[rows, chosen] = ends
        return self.objective.unknowns.meant(torch.from_numpy(points)).numpy()[rows, chosen].tolist()
