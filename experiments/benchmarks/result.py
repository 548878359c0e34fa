"""What all cases of a benchmark make together: a dataset, a verdict and its reason; schema ``benchmark/1``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fieldsolver.results import AnalysisResult, Verdict

from .comparison import Comparison, Measurement

if TYPE_CHECKING:
    import xarray

SCHEMA = "benchmark/1"
OURS, OTHER = "ours", "other"

OF_A_SIDE = {
    "seconds": ("s", "median wall time of a run"),
    "seconds_per_step": ("s", "wall time over the mean number of accepted steps of a sample"),
    "seconds_per_attempt": ("s", "wall time over the number of passes of the loop"),
    "seconds_per_evaluation": ("s", "wall time over the mean number of evaluations of a sample, those of the solution"),
    "accepted": ("1", "accepted steps, the mean over the samples"),
    "attempts": ("1", "passes of the loop"),
    "evaluations": ("1", "evaluations of f, the mean over the samples"),
    "error": ("1", "distance from the reference solution"),
}
OF_A_CASE = {
    "quantity": ("", "what is compared"),
    "ratio": ("1", "times: other / ours; counts: ours / other"),
    "bar": ("1", "the ratio asked for; times: at least; counts: at most"),
    "verdict": ("", "the ratio against the bar"),
}


def benchmark_result(
    name: str, description: str, comparisons: Sequence[Comparison], about: Mapping[str, str | int | float]
) -> AnalysisResult:
    """The result of all cases, of schema ``benchmark/1``: variables over `case`, `side` and `repeat`.

    Args:
        name: the benchmark.
        description: one line.
        comparisons: its cases, at least one.
        about: where and how it was measured, from `machine_attributes` before the first run.
    """
    dataset = benchmark_dataset(comparisons).assign_attrs(benchmark=name, description=description)
    status, reason = overall(comparisons)
    return AnalysisResult(dataset, status, reason, SCHEMA, dict(about))


def overall(comparisons: Sequence[Comparison]) -> tuple[Verdict, str]:
    """The verdict on all cases: FAIL if one fails, INCONCLUSIVE if one could not be compared, else PASS."""
    failed = [item for item in comparisons if item.verdict is Verdict.FAIL]
    open_ = [item for item in comparisons if item.verdict not in (Verdict.FAIL, Verdict.PASS)]
    if failed:
        worst = "; ".join(f"{item.case}: {item.ratio:.3g} {_asked(item)}" for item in failed)
        return Verdict.FAIL, f"{len(failed)} of {len(comparisons)} bars are not met: {worst}"
    if len(open_) == len(comparisons):
        return Verdict.NOT_APPLICABLE, f"nothing could be compared: {_why(open_)}"
    if open_:
        return Verdict.INCONCLUSIVE, f"{len(open_)} of {len(comparisons)} cases were not compared: {_why(open_)}"
    return Verdict.PASS, f"all {len(comparisons)} bars are met"


def _asked(item: Comparison) -> str:
    return f"where at least {item.bar:g} is asked" if item.quantity.is_time else f"where at most {item.bar:g} is asked"


def _why(items: Sequence[Comparison]) -> str:
    reasons = [item.ours.missing or item.other.missing or f"{item.case} has no number" for item in items]
    return ", ".join(dict.fromkeys(reasons))


def benchmark_dataset(comparisons: Sequence[Comparison]) -> xarray.Dataset:
    """Variables over `case`, `side` (ours, other) and `repeat`; NaN where there is no number."""
    import numpy as np
    import xarray

    sides = [(item.ours, item.other) for item in comparisons]
    repeats = max((len(side.times.seconds) for pair in sides for side in pair), default=0)
    dataset = xarray.Dataset(coords={"case": [item.case for item in comparisons], "side": [OURS, OTHER]})

    def add(name: str, dims: tuple[str, ...], values: object, units: str, long_name: str) -> None:
        dataset[name] = (dims, np.array(values), {"units": units, "long_name": long_name})

    for name, (units, text) in OF_A_CASE.items():
        add(name, ("case",), [getattr(item, name) for item in comparisons], units, text)
    for end, name in enumerate(("ratio_low", "ratio_high")):
        add(name, ("case",), [item.ratio_range[end] for item in comparisons], "1", "extremes over pairs of runs")
    for name, (units, text) in OF_A_SIDE.items():
        add(name, ("case", "side"), [[getattr(side, name) for side in pair] for pair in sides], units, text)
    add("method", ("case", "side"), [[side.name for side in pair] for pair in sides], "", "package and method")
    missing = [[side.missing or "" for side in pair] for pair in sides]
    add("missing", ("case", "side"), missing, "", "why there are no numbers")
    warm_up = [[side.times.warm_up for side in pair] for pair in sides]
    add("warm_up", ("case", "side"), warm_up, "s", "wall time of the first run, which is in no median")
    times = [[_filled(side, repeats) for side in pair] for pair in sides]
    add("times", ("case", "side", "repeat"), times, "s", "wall time of each run, in order")
    return dataset


def _filled(side: Measurement, repeats: int) -> list[float]:
    return [*side.times.seconds, *[math.nan] * (repeats - len(side.times.seconds))]
