"""The layout ``trained_report/1``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..subverdicts import Subverdict, subverdict_variables
from .visit import Visit

if TYPE_CHECKING:
    import xarray

Entry = tuple[tuple[str, ...], Any, dict[str, Any]]


def as_dataset(visit: Visit, numbers: dict[str, Any], checks: Sequence[Subverdict]) -> xarray.Dataset:
    """Times in the units of the equation."""
    import xarray

    run, gains, scales, counts = (numbers[name] for name in ("run", "gains", "scales", "counts"))
    finer = numbers["finer"]
    ends, per = numbers["ends"], ("time", "sample")
    watched, every = ("watched",), ("sample",)
    return xarray.Dataset(
        {
            "gain_largest": _entry(("time", "watched"), gains.largest, "1", _gain_name(gains.exact)),
            "gain_rms": _entry(("time", "watched"), gains.rms, "1", "gain of dy(t)/dy(0) in a random direction"),
            "gain_smallest": _entry(("time", "watched"), gains.smallest, "1", "smallest singular value of dy(t)/dy(0)"),
            "adjoint_norm": _entry(per, numbers["adjoint"], "1", "norm of dL/dy(t) relative to the end"),
            "speed": _entry(("later", "sample"), run.speed, "1", "relative change per duration"),
            "size": _entry(("later", "sample"), run.size, "1", "root mean square of the state"),
            "rest_time": _entry(every, run.rest, "time", "when it comes to rest, NaN if not"),
            "eig_re": _entry(("watched", "eig"), _padded(ends).real, "1/time", "real part of an eigenvalue at the end"),
            "eig_im": _entry(("watched", "eig"), _padded(ends).imag, "1/time", "its imaginary part"),
            "n_valid": _entry(watched, [len(row) for row in ends], "1", "eigenvalues that are known"),
            "time_slowest": _entry(watched, scales["time_slowest"], "time", "time constant of the slowest decay"),
            "rate_fastest": _entry(watched, scales["rate_fastest"], "1/time", "largest modulus of an eigenvalue"),
            "frequency": _entry(watched, scales["frequency"], "1/time", "highest frequency of an eigenvalue"),
            "setting_error": _entry(("setting",), finer["setting_error"], "1", "relative change of the output"),
            "nfev": _entry(every, counts["nfev"], "1", "evaluations of the right-hand side"),
            "accepted": _entry(every, counts["accepted"], "1", "accepted steps"),
            "rejected": _entry(every, counts["rejected"], "1", "rejected steps"),
            "dt_limit": _entry((), numbers["limit"], "time", "largest stable step at the states visited"),
            **subverdict_variables(checks),
        },
        coords={
            "time": _entry(("time",), visit.times.numpy(), "time", "time within the run"),
            "later": _entry(("later",), run.times, "time", "time of the continued run"),
            "setting": _entry(("setting",), finer["setting"], "1", "dt" if visit.dt is not None else "rtol"),
            "sample": _entry(every, np.arange(run.rest.size), "1", "sample"),
            "watched": _entry(watched, np.arange(len(ends)), "1", "sample that was looked at closely"),
        },
    )  # fmt: skip


def _entry(dims: tuple[str, ...], values: Any, units: str, name: str) -> Entry:
    return dims, values, {"units": units, "long_name": name}


def _gain_name(exact: bool) -> str:
    return "largest singular value of dy(t)/dy(0)" + ("" if exact else ", a lower bound from random directions")


def _padded(rows: Sequence[np.ndarray]) -> np.ndarray:
    found = np.full((len(rows), max(len(row) for row in rows)), complex(math.nan, math.nan))
    for place, row in enumerate(rows):
        found[place, : len(row)] = row
    return found
