"""The numbers of a run as an `AnalysisResult`, with a verdict on the claim."""

from __future__ import annotations

from typing import Any

import numpy as np

from fieldsolver.results import AnalysisResult, Verdict

from .outcome import Outcome
from .published import CASE_STUDY, CASE_STUDY_RATES, POSTERIORDB, REFERENCE

TOLERANCE = 0.1
"""Largest relative distance of a rate from the published one."""


def lynx_hare_result(outcome: Outcome) -> AnalysisResult:
    """Schema ``lynx_hare/1``: the maximum likelihood fit (``fit/1``), and beside it everything it is compared with."""
    fit, labels = outcome.likelihood, outcome.likelihood.labels
    scores = outcome.scores()
    extra: dict[str, Any] = {
        "map_estimate": _over_unknowns([outcome.posterior.estimates[x] for x in labels], "maximum a posteriori"),
        "map_interval": (
            ("unknown", "side"), np.array([outcome.posterior.intervals[x] for x in labels]),
            _named("90 % interval, Laplace, with the case study's priors"),
        ),
        "published_mean": _over_unknowns([REFERENCE[x].mean for x in labels], f"posterior mean, {POSTERIORDB}"),
        "published_sd": _over_unknowns([REFERENCE[x].sd for x in labels], f"posterior sd, {POSTERIORDB}"),
        "rmse": ("predictor", [score.fitted for score in scores], _named("in-sample error of log counts")),
        "rmse_forecast": ("predictor", [score.forecast for score in scores], _named("error of log counts after 1910")),
    }  # fmt: skip
    if outcome.simulation is not None:
        extra["coverage"] = _over_unknowns(outcome.simulation.coverage, "coverage of the 90 % Laplace intervals")
        extra["replicates"] = _over_unknowns(outcome.simulation.usable, "simulated data sets")
    dataset = fit.to_xarray().assign(extra).assign_coords(predictor=[score.name.strip("*") for score in scores])
    for name in ("observed_hare", "fitted_hare", "observed_lynx", "fitted_lynx"):
        dataset[name].attrs["units"] = "thousand pelts"
    dataset["time"].attrs["units"] = "year"
    status, reason = _verdict(outcome)
    return AnalysisResult(
        dataset, status, reason, "lynx_hare/1", {"published": CASE_STUDY, "quick": str(outcome.quick)}
    )


def _over_unknowns(values: Any, name: str) -> tuple[str, Any, dict[str, str]]:
    return "unknown", values, _named(name)


def _named(name: str) -> dict[str, str]:
    return {"units": "1", "long_name": name}


def _verdict(outcome: Outcome) -> tuple[Verdict, str]:
    fit = outcome.likelihood
    if fit.status is not Verdict.PASS:
        return fit.status, fit.reason
    distance = {name: abs(fit.estimates[name] / value - 1) for name, value in CASE_STUDY_RATES.items()}
    worst = max(distance, key=lambda name: distance[name])
    outside = [name for name in CASE_STUDY_RATES if not _inside(REFERENCE[name].mean, fit.intervals[name])]
    said = f"the rates lie within {distance[worst]:.1%} of the published ones (worst: {worst}; allowed {TOLERANCE:.0%})"
    said += ", and the published means inside our 90 % intervals" if not outside else f", but {outside} outside"
    return (Verdict.PASS if distance[worst] <= TOLERANCE and not outside else Verdict.FAIL), said


def _inside(value: float, interval: tuple[float, float]) -> bool:
    return interval[0] <= value <= interval[1]
