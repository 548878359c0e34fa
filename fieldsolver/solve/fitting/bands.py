"""Curves of a fit with their uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import OptionError

if TYPE_CHECKING:
    from .result import FitResult


@dataclass(frozen=True)
class Bands:
    """Predictions of all fields, (T, *own) each; bands are pointwise at the level of the fit.

    Attributes:
        t: (T,) times.
        fit: the curve at the estimates.
        curve_low, curve_high: where the true curve is thought to lie (uncertainty of the estimates).
        data_low, data_high: where a new observation is thought to lie (with the noise); observed fields only.
    """

    t: Tensor
    fit: dict[str, Tensor]
    curve_low: dict[str, Tensor]
    curve_high: dict[str, Tensor]
    data_low: dict[str, Tensor]
    data_high: dict[str, Tensor]


def predictive_bands(result: FitResult, times: Tensor, draws: int, seed: int) -> Bands:
    """Solve once at the estimates and `draws` times at draws from Laplace's approximation."""
    model = result.objective.model
    increasing = times.dim() == 1 and times.numel() > 0 and bool((times.diff() > 0).all())
    if not increasing or times[0] < model.t0 or times[-1] <= model.t0:
        raise OptionError(f"predict needs increasing times that start at t0 = {model.t0:g} or later and end later")
    generator = torch.Generator().manual_seed(seed)
    points = _draws(result, draws, generator)
    with torch.no_grad():
        at = torch.from_numpy(result.x)[None]
        fit = {name: values[:, 0].cpu() for name, values in model.predict(at, times).fields.items()}
        groups = points.split(model.rows_at_once)
        runs = [model.predict(group, times) for group in groups]
        values = {name: torch.cat([run.fields[name][:, run.reached] for run in runs], dim=1).cpu() for name in fit}
        reached = torch.cat([run.reached for run in runs]).cpu()
        meant = model.unknowns.values(points[reached])
    quantiles = torch.tensor([0.5 - result.interval / 2, 0.5 + result.interval / 2], dtype=torch.float64)
    curve = {name: torch.quantile(drawn, quantiles, dim=1) for name, drawn in values.items()}
    data = {}
    # The bands are pointwise, so one shock per draw serves all times, and the bands come out smooth.
    shocks = torch.randn(int(reached.sum()), generator=generator, dtype=torch.float64)
    for name, given in result.sigma.items():
        noise = (meant[f"sigma({name})"].cpu() if f"sigma({name})" in meant else given) * shocks
        noise = noise.reshape(-1, *[1] * (values[name].dim() - 2))
        lognormal = result.objective.noise == "lognormal"
        data[name] = torch.quantile(values[name] * noise.exp() if lognormal else values[name] + noise, quantiles, dim=1)
    return Bands(
        times, fit, {n: v[0] for n, v in curve.items()}, {n: v[1] for n, v in curve.items()},
        {n: v[0] for n, v in data.items()}, {n: v[1] for n, v in data.items()},
    )  # fmt: skip


def _draws(result: FitResult, draws: int, generator: torch.Generator) -> Tensor:
    """(draws, P); unknowns without a covariance stay at their estimates."""
    covariance = np.nan_to_num(result.covariance)
    eigenvalues, vectors = np.linalg.eigh(covariance)
    root = torch.from_numpy(vectors * np.sqrt(np.maximum(eigenvalues, 0.0)))
    shocks = torch.randn((draws, len(result.x)), generator=generator, dtype=torch.float64)
    return torch.from_numpy(result.x) + shocks @ root.T
