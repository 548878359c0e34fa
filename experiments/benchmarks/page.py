"""The page that `fieldsolver bench` prints, from a result of schema ``benchmark/1``."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fieldsolver.results import AnalysisResult, Verdict

from .comparison import Quantity
from .result import OTHER, OURS

if TYPE_CHECKING:
    import xarray

WIDTH = 120
NONE = "-"
COLUMNS = {
    "case": 28,
    "seconds": 9,
    "[least .. most]": 21,
    "warm-up": 9,
    "us/step": 9,
    "us/attempt": 11,
    "us/f": 9,
    "steps": 8,
    "attempts": 9,
    "f": 8,
    "error": 8,
}
COUNTED = ("case", "steps", "attempts", "f", "error")
TIMED = ("case", "seconds", "[least .. most]", "warm-up")
SHOWN = {
    Quantity.SECONDS: (*TIMED, "us/f", *COUNTED[1:]),
    Quantity.SECONDS_PER_STEP: (*TIMED, "us/step", "us/attempt", *COUNTED[1:]),
    Quantity.SECONDS_PER_EVALUATION: (*TIMED, "us/f", *COUNTED[1:]),
    Quantity.EVALUATIONS: COUNTED,
}
LEGEND = """\
  seconds: median wall time of a run; us/step: over the mean number of accepted steps of a sample (steps);
  us/attempt: over the passes of the loop (attempts), rejected ones too; f: evaluations, the mean over the samples;
  us/f: over these; in training f counts those of the solution, which the backward pass may repeat;
  error: largest component of the error at the end, the median over the samples; in training that of the gradient,
  relative to its norm
  ratio of times: theirs / ours [least .. most of neighbouring runs]; of evaluations: ours / theirs\
"""


def benchmark_page(result: AnalysisResult) -> str:
    """The whole page, at most `WIDTH` columns wide."""
    end = textwrap.wrap(f"{result.status.name}: {result.reason}", WIDTH, subsequent_indent="  ")
    return "\n".join([*_head(result.dataset.attrs), LEGEND, *_cases(result.dataset), "", *end])


def _head(about: dict[str, Any]) -> Iterator[str]:
    machine = (
        f"{about['system']}, {about['processor']}, {about['cores']} cores, load before {about['load_average']:.2f}"
    )
    yield f"{about['benchmark']}: {about['description']}"
    for line in (
        f"machine: {machine}",
        f"versions: fieldsolver {about['package_version']}, {about['versions']}",
        f"threads: torch {about['torch_threads']}, OMP_NUM_THREADS {about['OMP_NUM_THREADS']}",
        f"measured: {about['repeats']} runs of each side in turns, after a first one that only warms up",
    ):
        yield from textwrap.wrap(line, WIDTH, initial_indent="  ", subsequent_indent="    ")


def _cases(dataset: xarray.Dataset) -> Iterator[str]:
    columns: tuple[str, ...] = ()
    for name in dataset["case"].values:
        case = dataset.sel(case=name)
        wanted = SHOWN[Quantity(case["quantity"].item())]
        if wanted != columns:
            columns = wanted
            yield ""
            yield _row(columns, dict(zip(columns, columns, strict=True)))
        yield str(name)
        yield from (_side(columns, case.sel(side=side)) for side in (OURS, OTHER))
        yield f"  {_judged(case)}"


def _side(columns: tuple[str, ...], side: xarray.Dataset) -> str:
    method = f"  {side['method'].item()}"
    if side["missing"].item():
        return f"{method:<{COLUMNS['case'] - 1}} {side['missing'].item()}"

    def text(name: str, form: str, scale: float = 1.0) -> str:
        value = scale * side[name].item()
        return NONE if math.isnan(value) else format(value, form)

    least, most = float(side["times"].min()), float(side["times"].max())
    cells = {
        "case": method,
        "seconds": text("seconds", ".4g"),
        "[least .. most]": NONE if math.isnan(least) else f"[{least:.3g} .. {most:.3g}]",
        "warm-up": text("warm_up", ".3g"),
        "us/step": text("seconds_per_step", ".1f", 1e6),
        "us/attempt": text("seconds_per_attempt", ".1f", 1e6),
        "us/f": text("seconds_per_evaluation", ".1f", 1e6),
        "steps": text("accepted", ".6g"),
        "attempts": text("attempts", ".6g"),
        "f": text("evaluations", ".6g"),
        "error": text("error", ".1e"),
    }
    return _row(columns, cells)


def _judged(case: xarray.Dataset) -> str:
    quantity, verdict = Quantity(case["quantity"].item()), Verdict(case["verdict"].item())
    if verdict is Verdict.NOT_APPLICABLE:
        return f"{quantity}: {verdict}"
    spread = f" [{case['ratio_low'].item():.2f} .. {case['ratio_high'].item():.2f}]" if quantity.is_time else ""
    bar = f"{'at least' if quantity.is_time else 'at most'} {case['bar'].item():g}"
    return f"{quantity}: ratio {case['ratio'].item():.3g}{spread}, asked for {bar}: {verdict.name}"


def _row(columns: tuple[str, ...], cells: dict[str, str]) -> str:
    return "".join(f"{cells[name]:<{COLUMNS[name] - 1}} " for name in columns).rstrip()
