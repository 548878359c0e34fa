"""Everything that a run has measured, before it is written down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

import fieldsolver as fs
from fieldsolver.solve.fitting.simulation import SimulationCheck

from .baselines import BASELINES, rmse
from .data import Pelts

SPECIES = ("hare", "lynx")
LAST_KNOWN = 1910
"""The forecast test fits up to this year and predicts the years after it."""


@dataclass(frozen=True)
class Score:
    """One row of the comparison with trivial predictors.

    Attributes:
        name, numbers: the predictor, and how many numbers it takes from the data.
        fitted: in-sample error of log counts, over the years that the predictor covers.
        model_there: the model's error over the same years.
        forecast: error for the years after `LAST_KNOWN`, from the years before alone.
    """

    name: str
    numbers: int
    fitted: float
    model_there: float
    forecast: float


@dataclass(frozen=True)
class Outcome:
    """The fits.

    Attributes:
        pelts: the data.
        likelihood: maximum likelihood, with profile likelihood intervals.
        posterior: maximum a posteriori with the case study's priors.
        early: maximum likelihood for the years up to `LAST_KNOWN`.
        simulation: the check by simulated data, None in a short run.
        quick: whether this is a short run.
    """

    pelts: Pelts
    likelihood: fs.FitResult
    posterior: fs.FitResult
    early: fs.FitResult
    simulation: SimulationCheck | None
    quick: bool

    def residuals(self) -> dict[str, np.ndarray]:
        """log observed - log fitted, (T,) per species."""
        return {
            name: (getattr(self.pelts, name).log() - self.likelihood.fitted[name].log()).numpy() for name in SPECIES
        }

    def autocorrelations(self) -> dict[str, float]:
        """Of neighbouring residuals; about +-0.43 is the 95 % range of independent ones (1.96 / sqrt 21)."""
        return {name: float((r[1:] * r[:-1]).sum() / (r**2).sum()) for name, r in self.residuals().items()}

    def scores(self) -> list[Score]:
        """The model first, then the trivial predictors."""
        logs = {name: getattr(self.pelts, name).log().numpy() for name in SPECIES}
        known = int((self.pelts.year <= LAST_KNOWN).sum())
        model = np.stack(list(self.residuals().values()))
        ahead = self.early.predict(self.pelts.year, draws=2).fit
        missed = np.stack([(torch.from_numpy(logs[name]) - ahead[name].log()).numpy()[known:] for name in SPECIES])
        rows = [Score("**Lotka-Volterra**", len(self.likelihood.labels), rmse(model), rmse(model), rmse(missed))]
        for baseline in BASELINES:
            errors = np.stack([log - baseline.fitted(log) for log in logs.values()])
            far = [log[known:] - baseline.forecast(log[:known], len(log) - known) for log in logs.values()]
            there = rmse(np.where(np.isnan(errors), np.nan, model))
            rows.append(Score(baseline.name, baseline.numbers, rmse(errors), there, rmse(np.stack(far))))
        return rows
