"""A fit as an xarray Dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fieldsolver.results import AnalysisResult

from ..dataset import grid_coordinates
from .data import own_shape

if TYPE_CHECKING:
    import xarray

    from .result import FitResult

SCHEMA = "fit/1"


def to_dataset(result: FitResult) -> xarray.Dataset:
    """Schema ``fit/1``: dimension `unknown` for the estimates, `time` and the grid for data and fitted curves."""
    import xarray

    dataset = xarray.Dataset({**_estimates(result), **_curves(result)}, _coordinates(result))
    return AnalysisResult(dataset, result.status, result.reason, SCHEMA, _attributes(result)).dataset


def _estimates(result: FitResult) -> dict[str, Any]:
    level = f"{100 * result.interval:g} % interval"
    variables = {
        "estimate": ("unknown", list(result.estimates.values()), _named("estimate")),
        "laplace_interval": (("unknown", "side"), _ends(result, "laplace_intervals"), _named(f"{level}, Laplace")),
        "coordinate": ("unknown", result.x, _named("optimiser's coordinate: log of positive, logit of bounded values")),
        "covariance": (("unknown", "unknown_"), result.covariance, _named("covariance of the coordinates")),
    }
    if result.profile_intervals:
        ends = _ends(result, "profile_intervals")
        variables["profile_interval"] = (("unknown", "side"), ends, _named(f"{level}, profile likelihood"))
    return variables


def _ends(result: FitResult, kind: str) -> np.ndarray:
    return np.array([getattr(result, kind)[label] for label in result.labels])


def _curves(result: FitResult) -> dict[str, Any]:
    observations = result.objective.observations
    variables: dict[str, Any] = {}
    for name, values in observations.values.items():
        axes = result.equation.axes_of(name)
        several = len(own_shape(result.equation, name)) > len(axes)
        dims = ["time", *([f"component_{name}"] if several else []), *axes]
        units = observations.units.get(name, "1")
        variables[f"observed_{name}"] = (dims, values.numpy(), _named(f"observed {name}", units))
        variables[f"fitted_{name}"] = (dims, result.fitted[name].numpy(), _named(f"fitted {name}", units))
    return variables


def _coordinates(result: FitResult) -> dict[str, Any]:
    observations = result.objective.observations
    coordinates: dict[str, Any] = {
        "unknown": ("unknown", list(result.labels)),
        "unknown_": ("unknown_", list(result.labels)),
        "side": ("side", ["low", "high"]),
        "time": ("time", observations.t.numpy(), _named("time", observations.units.get("time", "1"))),
    }
    for name in result.equation.statements:
        coordinates |= grid_coordinates(result.equation, name)
    return coordinates


def _attributes(result: FitResult) -> dict[str, Any]:
    objective = result.objective
    attributes: dict[str, Any] = {
        "equation": str(result.equation),
        "noise": objective.noise,
        "interval_level": result.interval,
        "method": objective.model.method.name,
        **{key: objective.model.options[key] for key in ("rtol", "atol")},
        **{
            key: getattr(result, key)
            for key in ("log_likelihood", "aic", "bic", "gradient_norm", "decrement", "iterations", "evaluations")
        },
        "converged": str(result.converged),
        "identifiable": str(result.identifiable),
        "notes": "; ".join(result.notes),
    }
    attributes.update({f"prior_{label}": repr(prior) for label, prior in objective.priors.items()})
    attributes.update({f"sigma_{name}": value for name, value in result.sigma.items()})
    return attributes


def _named(name: str, units: str = "1") -> dict[str, str]:
    return {"units": units, "long_name": name}
