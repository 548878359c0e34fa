"""An energy study as a labelled dataset, schema ``energy/1``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..labels import Entry, entry
from ..orders.models import Floats
from .drift import Drift
from .growth import Growth
from .repairs import Repair
from .study import EnergyStudy
from .transfer import flux

if TYPE_CHECKING:
    import xarray

ALONG = ("time", "batch")


def dataset(study: EnergyStudy) -> xarray.Dataset:
    """All parts of a study, with the dimension ``batch`` throughout."""
    import xarray

    record = study.record
    coords = {
        "time": entry(("time",), record.t, "time"),
        "term": entry(("term",), list(study.labels), "term of the right-hand sides"),
        "role": entry(("term",), list(study.roles), "part that the term plays"),
        "component": entry(("component",), list(study.components), "component of the state"),
    }
    data = {**_budget(study), **_drift(record.drifts, record.confidence), **_closure(study)}
    parts = [xarray.Dataset(data, coords=coords)]
    if study.growth is not None:
        parts.append(_modes(study.growth))
    if study.scales is not None:
        parts.append(_scales(study, *study.scales))
    if study.repairs:
        parts.append(_repairs(list(study.repairs)))
    return xarray.merge(parts)


def _budget(study: EnergyStudy) -> dict[str, Entry]:
    record, work = study.record, study.work
    return {
        "energy": entry(ALONG, record.energy, f"integral of {study.density}"),
        "rate": entry(ALONG, record.rate, "dE/dt along the right-hand side"),
        "budget": entry(("term", *ALONG), record.budget, "contribution of each term to dE/dt"),
        "budget_by_component": entry(
            ("term", "component", *ALONG), record.by_component, "contribution of each term by component of the state"
        ),
        "boundary_flux": entry(
            ("term", *ALONG), record.boundary, "the part of the contribution that comes through the walls"
        ),
        "closure": entry(ALONG, record.closure, "sum of the budget minus the rate"),
        "work": entry(("term", *ALONG), work.terms, "energy that each term brought since the start"),
        "numerical": entry(ALONG, work.numerical, "energy that the time steps added since the start", role="numerical"),
        "drift_rel": entry(
            ALONG, record.drift_rel, "E - E(0), relative to the integral of the magnitude of the density at the start"
        ),
        "monotone_violation": entry(ALONG, record.rise, "increase of E since the save point before"),
        "steps": entry(("batch",), work.steps, "accepted steps"),
    }


def _drift(drifts: list[Drift], confidence: float) -> dict[str, Entry]:
    def column(name: str) -> Floats:
        return np.array([getattr(one, name) for one in drifts], dtype=np.float64)

    level: dict[str, Any] = {"confidence": confidence}
    return {
        "drift_slope": entry(("batch",), column("slope"), "linear drift of drift_rel per unit time", **level),
        "drift_slope_lo": entry(("batch",), column("lo"), "lower end of the confidence interval", **level),
        "drift_slope_hi": entry(("batch",), column("hi"), "upper end of the confidence interval", **level),
        "drift_amplitude": entry(("batch",), column("amplitude"), "bounded oscillation of drift_rel, half its height"),
        "drift_period": entry(("batch",), column("period"), "period of that oscillation, NaN without one"),
        "drift_exponent": entry(
            ("batch",), column("exponent"), "H in |E(t+s) - E(t)| ~ s^H: 1 drift, 1/2 random walk, 0 bounded"
        ),
    }


def _closure(study: EnergyStudy) -> dict[str, Entry]:
    fit = study.closure
    if fit is None:
        return {}
    level: dict[str, Any] = {"confidence": fit.confidence}
    return {
        "closure_dt": entry(("level",), fit.h, "size of the steps"),
        "closure_error": entry(("level",), fit.errors, "largest energy added by steps of that size"),
        "closure_order": entry((), fit.order, "order in dt of the energy that the steps add", **level),
        "closure_order_lo": entry((), fit.order_lo, "lower end of the confidence interval", **level),
        "closure_order_hi": entry((), fit.order_hi, "upper end of the confidence interval", **level),
    }


def _modes(growth: Growth) -> xarray.Dataset:
    import xarray

    both = ("mode", "batch")
    return xarray.Dataset(
        {
            "mode_rate_re": entry(("mode",), growth.rates.real, "real part of the eigenvalue of the mode"),
            "mode_rate_im": entry(("mode",), growth.rates.imag, "angular frequency of the mode"),
            "predicted_growth_per_step": entry(
                ("mode",), growth.predicted, "|R(z)/exp(z)|^2 - 1 of the method, z = dt times the eigenvalue"
            ),
            "predicted_phase_per_step": entry(("mode",), growth.predicted_phase, "arg R(z) - Im z", "rad"),
            "measured_growth_per_step": entry(both, growth.measured, "excess growth of the mode's energy per step"),
            "measured_phase_per_step": entry(both, growth.measured_phase, "phase gained over the exact one", "rad"),
        },
        coords={"mode": entry(("mode",), np.arange(len(growth.rates)), "mode of the linear equation, by frequency")},
    )


def _scales(study: EnergyStudy, wave_numbers: Floats, powers: Floats) -> xarray.Dataset:
    import xarray

    conservative = [role == "conservative" for role in study.roles]
    return xarray.Dataset(
        {
            "transfer": entry(("term", "k", *ALONG), powers, "contribution of each term in each shell"),
            "flux": entry(
                ("k", *ALONG), flux(powers, conservative), "energy that conservative terms carry beyond k, per time"
            ),
        },
        coords={"k": entry(("k",), wave_numbers, "wave number of the shell")},
    )


def _repairs(found: list[Repair]) -> xarray.Dataset:
    import xarray

    along = ("repair",)
    return xarray.Dataset(
        {
            "repair_text": entry(along, [one.text for one in found], "what to do and what to expect"),
            "repair_cost": entry(along, [one.cost for one in found], "evaluations relative to this run, NaN: depends"),
            "repair_expected": entry(along, [one.expected for one in found], "relative drift to expect, NaN: unknown"),
            "repair_available": entry(
                along, np.array([one.available for one in found], dtype=np.int8), "1: this package has it"
            ),
        },
        coords={"repair": entry(along, [one.name for one in found], "remedy, cheapest first")},
    )


def without_batch(data: xarray.Dataset) -> xarray.Dataset:
    """The only sample of a dataset."""
    return data.isel(batch=0)
