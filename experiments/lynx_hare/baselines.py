"""Trivial predictors of the counts, judged like the model: root mean square error of the logarithm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

PERIOD = 10
"""Years from peak to peak, for the seasonal predictor."""

Predictor = Callable[[np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class Baseline:
    """A predictor.

    Attributes:
        name: as the report calls it.
        numbers: how many numbers it takes from the data, both series together, noise scales included.
        fitted: ``(log counts (T,)) -> (T,)``, in sample; NaN where it says nothing.
        forecast: ``(log counts (T,), horizon) -> (horizon,)``, from the past alone.
    """

    name: str
    numbers: int
    fitted: Callable[[np.ndarray], np.ndarray]
    forecast: Predictor


def rmse(errors: np.ndarray) -> float:
    """Root mean square of what is not NaN."""
    return float(np.sqrt(np.nanmean(errors**2)))


def _autoregression(log: np.ndarray) -> np.ndarray:
    """Intercept and two coefficients by least squares."""
    design = np.stack([np.ones(len(log) - 2), log[1:-1], log[:-2]], axis=1)
    return np.linalg.lstsq(design, log[2:], rcond=None)[0]


def _ar_fitted(log: np.ndarray) -> np.ndarray:
    constant, first, second = _autoregression(log)
    return np.concatenate([[np.nan, np.nan], constant + first * log[1:-1] + second * log[:-2]])


def _ar_forecast(log: np.ndarray, horizon: int) -> np.ndarray:
    constant, first, second = _autoregression(log)
    series = list(log)
    for _ in range(horizon):
        series.append(constant + first * series[-1] + second * series[-2])
    return np.array(series[len(log) :])


def _seasonal_fitted(log: np.ndarray) -> np.ndarray:
    return np.concatenate([np.full(PERIOD, np.nan), log[:-PERIOD]])


def _seasonal_forecast(log: np.ndarray, horizon: int) -> np.ndarray:
    return np.array([log[len(log) - PERIOD + i % PERIOD] for i in range(horizon)])


BASELINES = (
    Baseline(
        "constant: geometric mean of each series", 4,
        lambda log: np.full_like(log, log.mean()), lambda log, horizon: np.full(horizon, log.mean()),
    ),
    Baseline("AR(2) of each series, one year ahead", 8, _ar_fitted, _ar_forecast),
    Baseline(f"the count {PERIOD} years before", 2, _seasonal_fitted, _seasonal_forecast),
)  # fmt: skip
