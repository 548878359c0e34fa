"""The layout ``lyapunov/1``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..labels import entry
from ..subverdicts import Subverdict, subverdict_variables
from .resolution import Resolution
from .spectrum import Spectrum

if TYPE_CHECKING:
    import xarray


def as_dataset(
    found: Spectrum, resolved: Resolution, checks: Sequence[Subverdict], length: float, confidence: float,
    *, discrete: bool,
) -> xarray.Dataset:  # fmt: skip
    """Everything with units and names; rates are per unit of time, of a map per iteration."""
    import xarray

    rate, time = ("1/iteration", "iteration") if discrete else ("1/time", "time")
    level: dict[str, Any] = {"confidence": confidence}

    exponents, one = found.exponents, found.dimension
    volume = found.volume.value if found.volume is not None else np.full(2, np.nan)
    law = "log |det DF|" if discrete else "tr J"
    endless = np.isinf(exponents.half)  # a step so long that tangents vanish in it says nothing
    low = np.where(endless, -np.inf, exponents.value - exponents.half)
    high = np.where(endless, np.inf, exponents.value + np.where(endless, 0.0, exponents.half))
    ends = length * np.arange(1, len(found.history) + 1)
    return xarray.Dataset(
        {
            "lambda": entry(("exponent",), exponents.value, "Lyapunov exponent", rate),
            "lambda_lo": entry(("exponent",), low, "lower end of its interval", rate, **level),
            "lambda_hi": entry(("exponent",), high, "upper end of its interval", rate, **level),
            "history": entry(("exponent", "block"), found.history.T, "mean growth rate up to here", rate),
            "local_growth": entry(("exponent", "block"), found.growth.T, "growth rate in this block", rate),
            "lambda_sample": entry(("batch", "exponent"), found.samples, "exponents of each start", rate),
            "step_error": entry(("exponent",), resolved.error, "effect of the step, at most", rate),
            "trace_mean": entry((), volume[0], f"mean of {law} along the orbit", rate),
            "sum_rule_defect": entry((), volume[1], f"sum of the exponents minus the mean of {law}", rate),
            "D_KY": entry((), float(one.value[0]), "Kaplan-Yorke dimension"),
            "D_KY_lo": entry((), float(one.value[0] - one.half[0]), "lower end of its interval", **level),
            "D_KY_hi": entry((), float(one.value[0] + one.half[0]), "upper end of its interval", **level),
            **subverdict_variables(checks),
        },
        coords={
            "exponent": entry(("exponent",), np.arange(1, exponents.value.size + 1), "number, the largest first"),
            "block": entry(("block",), np.arange(1, ends.size + 1), "block"),
            "time": entry(("block",), ends, f"{time} at the end of the block, after the transient", time),
            "batch": entry(("batch",), np.arange(len(found.samples)), "start"),
        },
    )  # fmt: skip
