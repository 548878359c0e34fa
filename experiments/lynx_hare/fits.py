"""The model, and the fits that the report compares."""

from __future__ import annotations

import math

import fieldsolver as fs
from fieldsolver.solve import LogNormal, Normal

from .data import Pelts

TEXT = "dhare/dt = (alpha - beta*lynx)*hare;  dlynx/dt = (-gamma + delta*hare)*lynx"
"""Rates per year; alpha and gamma of hares and lynxes alone, beta and delta per thousand of the others."""

RATES = {"alpha": 1.0, "beta": 0.05, "gamma": 1.0, "delta": 0.05}
"""Where the search starts: the means of the case study's priors."""

PRIORS: dict[str, Normal | LogNormal] = {
    "alpha": Normal(1.0, 0.5),
    "beta": Normal(0.05, 0.05),
    "gamma": Normal(1.0, 0.5),
    "delta": Normal(0.05, 0.05),
    "hare(t0)": LogNormal(math.log(10), 1.0),
    "lynx(t0)": LogNormal(math.log(10), 1.0),
    "sigma": LogNormal(-1.0, 1.0),
}
"""The case study's."""

LEVEL = 0.9
SEED = 0
STARTS = 8


def lotka_volterra() -> fs.FieldEquation:
    """The equation with four positive trainable rates."""
    parameters = {name: fs.Parameter(value, positive=True) for name, value in RATES.items()}
    return fs.FieldEquation(TEXT, parameters=parameters)


def fit_pelts(
    pelts: Pelts, *, with_priors: bool = False, uncertainty: str = "laplace", progress: bool | None = None
) -> fs.FitResult:
    """Maximum likelihood, or maximum a posteriori with the case study's priors; log-normal noise."""
    initial = {
        "hare": fs.Parameter(float(pelts.hare[0]), positive=True),
        "lynx": fs.Parameter(float(pelts.lynx[0]), positive=True),
    }
    return fs.fit(
        lotka_volterra(), pelts.as_data(), initial=initial, noise="lognormal", interval=LEVEL,
        priors=PRIORS if with_priors else None, uncertainty=uncertainty, starts=STARTS, seed=SEED, progress=progress,
    )  # fmt: skip
