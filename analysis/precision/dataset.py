"""Labelling the runs of a work-precision study, and its verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from fieldsolver.analysis.orders.dataset import REFERENCE_SHARE
from fieldsolver.analysis.orders.error_size import NORMS
from fieldsolver.analysis.orders.fixed_steps import Reference
from fieldsolver.analysis.orders.models import Floats
from fieldsolver.analysis.provenance import Provenance
from fieldsolver.methods import METHODS, ExplicitRungeKutta, ReversibleMethod
from fieldsolver.results import AnalysisResult, Verdict

from .cheapest import Choice, choices, crossover, decades, pareto_front
from .runs import Measurements

SCHEMA = "work_precision/1"
NONE = "none"

DECADE = 10.0
"""Errors that differ by less show no cost per accuracy: the reference is wrong, or nothing depends on the settings."""

FEWEST_REPEATS = 3
"""Below, quartiles are no spread."""


def work_precision_result(
    found: Measurements,
    methods: Sequence[str],
    settings: Sequence[float],
    setting_name: str,
    reference: Reference,
    norm: str,
    origin: Provenance,
) -> AnalysisResult:
    """Fronts, cheapest methods, verdict, labels."""
    import xarray

    error = found.error[..., NORMS.index(norm)]
    median, low, high = _quartiles(found.seconds)
    nfev = found.counts["nfev"]
    targets = decades(error)
    best = choices(targets, median, error, low, high)
    if found.seconds.shape[-1] < FEWEST_REPEATS:  # no spread, so no lead over a rival is clear
        best = [replace(one, clear=math.isnan(one.advantage)) for one in best]
    status, reason = _verdict(found, best, methods, error, reference)
    pairs, count = ("method", "setting"), {"units": "1"}
    data: dict[str, Any] = {
        "error": ((*pairs, "error_norm"), found.error, {**count, "long_name": "error at the end of the span"}),
        "wall_time": ((*pairs, "repeat"), found.seconds, {"units": "s", "long_name": "wall time of a solve"}),
        "time_median": (pairs, median, {"units": "s", "long_name": "median wall time"}),
        "time_q25": (pairs, low, {"units": "s", "long_name": "lower quartile of the wall time"}),
        "time_q75": (pairs, high, {"units": "s", "long_name": "upper quartile of the wall time"}),
        "nfev": (pairs, nfev, {**count, "long_name": "evaluations of the right-hand side"}),
        "nsteps": (pairs, found.counts["accepted"], {**count, "long_name": "accepted steps"}),
        "nrejected": (pairs, found.counts["rejected"], {**count, "long_name": "rejected steps"}),
        "pareto": (pairs, _front(median, error), {**count, "long_name": "1: no run is faster and more accurate"}),
        "pareto_nfev": (
            pairs,
            _front(nfev, error),
            {**count, "long_name": "1: no run has fewer evaluations and less error"},
        ),
        "reference_error": ((), reference.error, {**count, "long_name": f"estimated error of the {reference.kind}"}),
    }
    if best:
        clear = np.array([one.clear for one in best], dtype=np.int8)
        data |= _by_target("", best, methods, median, error, "time", "s")
        data |= _by_target("_nfev", choices(targets, nfev, error, nfev, nfev), methods, nfev, error, "evaluations", "1")
        data["clear"] = (
            "target",
            clear,
            {**count, "long_name": "1: quartiles of the two fastest do not overlap, lead of 10 %"},
        )
    coords: dict[str, Any] = {
        "method": ("method", list(methods), {**count, "long_name": "method"}),
        "family": ("method", [_family(name) for name in methods], {**count, "long_name": "family of the method"}),
        "order": ("method", [METHODS[name].order for name in methods], {**count, "long_name": "order of the method"}),
        setting_name: ("setting", list(settings), {**count, "long_name": setting_name}),
        "error_norm": ("error_norm", list(NORMS), {**count, "long_name": "norm of the error"}),
        "repeat": ("repeat", np.arange(found.seconds.shape[-1]), {**count, "long_name": "number of the timed run"}),
    }
    if best:
        coords["target"] = ("target", targets, {**count, "long_name": "error that is asked for"})
    attributes = origin.attributes(nfev=int(np.nansum(nfev)) * (1 + found.rounds))
    labels = {**attributes, "reference": reference.kind, "rounds": found.rounds, "setting": setting_name}
    return AnalysisResult(xarray.Dataset(data, coords), status, reason, SCHEMA, labels)


def _by_target(
    suffix: str, best: Sequence[Choice], methods: Sequence[str], work: Floats, error: Floats, what: str, units: str
) -> dict[str, Any]:
    """The method with the least work for each error."""
    names = [methods[one.method] if one.method >= 0 else NONE for one in best]
    entries = {
        "cheapest": (names, "1", f"method of least {what} for this error"),
        "cheapest_work": ([one.work for one in best], units, f"its {what}"),
        "advantage": ([one.advantage for one in best], "1", f"{what} of the second over that of the first"),
        "crossover": (
            _crossings(best, work, error),
            "1",
            f"error at which the method of least {what} for the next decade takes over, NaN: it stays",
        ),
    }
    return {
        f"{name}{suffix}": ("target", values, {"units": unit, "long_name": text})
        for name, (values, unit, text) in entries.items()
    }


def nothing_compared(reason: str) -> AnalysisResult:
    """NOT_APPLICABLE, with an empty dataset."""
    import xarray

    return AnalysisResult(xarray.Dataset(), Verdict.NOT_APPLICABLE, reason, SCHEMA)


def _quartiles(seconds: Floats) -> tuple[Floats, Floats, Floats]:
    """Median and quartiles over the repeats that were made; NaN where none was."""
    median, low, high = (np.full(seconds.shape[:-1], np.nan) for _ in range(3))
    for place in np.ndindex(seconds.shape[:-1]):
        made = seconds[place][np.isfinite(seconds[place])]
        if made.size:
            low[place], median[place], high[place] = np.quantile(made, [0.25, 0.5, 0.75])
    return median, low, high


def _front(work: Floats, error: Floats) -> np.ndarray:
    return pareto_front(work, error).astype(np.int8)


def _crossings(best: Sequence[Choice], work: Floats, error: Floats) -> list[float]:
    found = [math.nan] * len(best)
    for k, (one, other) in enumerate(pairwise(best)):
        if -1 not in (one.method, other.method) and one.method != other.method:
            curves = ((work[m], error[m]) for m in (one.method, other.method))
            found[k] = crossover(one.error, other.error, *curves)
    return found


def _verdict(
    found: Measurements, best: Sequence[Choice], methods: Sequence[str], error: Floats, reference: Reference
) -> tuple[Verdict, str]:
    named = [one for one in best if one.method >= 0]
    if found.interrupted:
        done = int(np.isfinite(found.seconds).sum())
        return Verdict.INCONCLUSIVE, f"interrupted after {done} of {found.seconds.size} timed runs; they are kept"
    if not named or np.nanmax(error) < DECADE * np.nanmin(error):
        return (
            Verdict.INCONCLUSIVE,
            "the errors of all runs lie within one decade, so no cost per error can be compared; widen the settings, "
            "or mend exact= if the errors are large",
        )
    finest = float(np.nanmin(error))
    if not reference.error <= REFERENCE_SHARE * finest:
        return Verdict.INCONCLUSIVE, (
            f"the {reference.kind} has an error of {reference.error:.2g}, more than 1 % of the finest error "
            f"{finest:.2g}; loosen the tightest setting or give exact="
        )
    summary = "; ".join(_sentence(group, methods) for group in _groups(named))
    repeats = found.seconds.shape[-1]
    if repeats < FEWEST_REPEATS and not all(one.clear for one in named):
        return Verdict.INCONCLUSIVE, (
            f"{summary}; but {repeats} timed run(s) of each point show no spread, so no lead can be told from chance: "
            f"pass repeats={FEWEST_REPEATS} or more"
        )
    doubtful = [one for one in named if not one.clear]
    if doubtful:
        at = ", ".join(f"{one.error:.0e}" for one in doubtful)
        return Verdict.INCONCLUSIVE, (
            f"{summary}; but at {at} the times of the two fastest overlap, or differ by less than 10 %: repeat more "
            "often, or take either"
        )
    return Verdict.PASS, summary


def _groups(named: Sequence[Choice]) -> list[list[Choice]]:
    groups: list[list[Choice]] = []
    for one in named:
        if groups and groups[-1][-1].method == one.method:
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def _sentence(group: Sequence[Choice], methods: Sequence[str]) -> str:
    first, last = group[0].error, group[-1].error
    span = f"{first:.0e}" if first == last else f"{first:.0e} to {last:.0e}"
    leads = [one.advantage for one in group if math.isfinite(one.advantage)]
    lead = f", {min(leads):.2g} times faster than the next" if leads else ", alone"
    return f"{methods[group[0].method]} is fastest for errors of {span}{lead}"


def _family(name: str) -> str:
    method = METHODS[name]
    if isinstance(method, ReversibleMethod):
        return "reversible"
    return "explicit Runge-Kutta" if isinstance(method, ExplicitRungeKutta) else "multistep"
