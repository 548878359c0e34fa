"""The layout ``trained_report/1``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..labels import entry
from ..subverdicts import Subverdict, subverdict_variables
from .visit import Visit

if TYPE_CHECKING:
    import xarray


def as_dataset(visit: Visit, numbers: dict[str, Any], checks: Sequence[Subverdict]) -> xarray.Dataset:
    """Times in the units of the equation."""
    import xarray

    run, gains, scales, counts = (numbers[name] for name in ("run", "gains", "scales", "counts"))
    finer = numbers["finer"]
    ends, per = numbers["ends"], ("time", "sample")
    watched, every = ("watched",), ("sample",)
    return xarray.Dataset(
        {
            "gain_largest": entry(("time", "watched"), gains.largest, _gain_name(gains.exact)),
            "gain_rms": entry(("time", "watched"), gains.rms, "gain of dy(t)/dy(0) in a random direction"),
            "gain_smallest": entry(("time", "watched"), gains.smallest, "smallest singular value of dy(t)/dy(0)"),
            "adjoint_norm": entry(per, numbers["adjoint"], "norm of dL/dy(t) relative to the end"),
            "speed": entry(("later", "sample"), run.speed, "relative change per duration"),
            "size": entry(("later", "sample"), run.size, "root mean square of the state"),
            "rest_time": entry(every, run.rest, "when it comes to rest, NaN if not", "time"),
            "eig_re": entry(("watched", "eig"), _padded(ends).real, "real part of an eigenvalue at the end", "1/time"),
            "eig_im": entry(("watched", "eig"), _padded(ends).imag, "its imaginary part", "1/time"),
            "n_valid": entry(watched, [len(row) for row in ends], "eigenvalues that are known"),
            "time_slowest": entry(watched, scales["time_slowest"], "time constant of the slowest decay", "time"),
            "rate_fastest": entry(watched, scales["rate_fastest"], "largest modulus of an eigenvalue", "1/time"),
            "frequency": entry(watched, scales["frequency"], "highest frequency of an eigenvalue", "1/time"),
            "setting_error": entry(("setting",), finer["setting_error"], "relative change of the output"),
            "nfev": entry(every, counts["nfev"], "evaluations of the right-hand side"),
            "accepted": entry(every, counts["accepted"], "accepted steps"),
            "rejected": entry(every, counts["rejected"], "rejected steps"),
            "dt_limit": entry((), numbers["limit"], "largest stable step at the states visited", "time"),
            **subverdict_variables(checks),
        },
        coords={
            "time": entry(("time",), visit.times.numpy(), "time within the run", "time"),
            "later": entry(("later",), run.times, "time of the continued run", "time"),
            "setting": entry(("setting",), finer["setting"], "dt" if visit.dt is not None else "rtol"),
            "sample": entry(every, np.arange(run.rest.size), "sample"),
            "watched": entry(watched, np.arange(len(ends)), "sample that was looked at closely"),
        },
    )  # fmt: skip


def _gain_name(exact: bool) -> str:
    return "largest singular value of dy(t)/dy(0)" + ("" if exact else ", a lower bound from random directions")


def _padded(rows: Sequence[np.ndarray]) -> np.ndarray:
    found = np.full((len(rows), max(len(row) for row in rows)), complex(math.nan, math.nan))
    for place, row in enumerate(rows):
        found[place, : len(row)] = row
    return found
