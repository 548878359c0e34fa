"""What is read from the rows of WaveNetNeuro's scaling, and what it says of the questions."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldsolver.experiments.compare import Finding
from fieldsolver.experiments.compare.claims import percent
from fieldsolver.experiments.compare.outcome import Outcome, Row
from fieldsolver.experiments.compare.statistics import slope
from fieldsolver.experiments.compare.tables import table
from fieldsolver.models.wavenet_neuro.readings import SHARES
from fieldsolver.themes import colour, line, muted

from .declaration import Numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLOSE = 0.2
"""Relative error up to which evaluations count as predicted."""
NARROWED = 0.5
"""Part of the range of the starts, in logarithms, within which diffusivities have to end to have found one another."""
CURVED = 1.1
"""Factor by which a quarter of the distances has to differ from 1 for a geometry."""


def size(outcome: Outcome) -> dict[str, Any] | None:
    """Errors of every seed by number of channels, and the power law through them."""
    rows = _named(outcome, r"(\d+) channels")
    if len(rows) < 3:
        return None
    errors = {count: [1 - value for value in row.accuracies] for count, row in rows.items()}
    points = [(count, error) for count, values in errors.items() for error in values]
    found = slope(*zip(*points, strict=True))
    level = float(np.mean([math.log(error) - found.mean * math.log(count) for count, error in points]))
    return {
        "sizes": list(errors), "errors": list(errors.values()), "slope": found.mean, "low": found.low,
        "high": found.high, "factor": math.exp(level), "quick": outcome.study.quick,
    }  # fmt: skip


def size_verdict(found: Numbers) -> Finding:
    """A law needs an exponent whose interval is on one side of zero."""
    said = f"error ~ C^({found['slope']:+.3f}), 95 % interval {found['low']:+.3f} to {found['high']:+.3f}"
    if found["quick"]:
        return Finding(None, f"{said}; a short run decides nothing about accuracies")
    trend = "" if found["high"] < 0 or found["low"] > 0 else ", no trend"
    return Finding(found["high"] < 0, f"{said}{trend}; C = {found['sizes'][0]} to {found['sizes'][-1]}")


def size_lines(found: Numbers) -> list[str]:
    """A table of errors, and the law in a sentence."""
    rows = [
        [str(count), percent(float(np.mean(errors))), ", ".join(percent(error) for error in errors)]
        for count, errors in zip(found["sizes"], found["errors"], strict=True)
    ]
    return [
        f"Least squares of the logarithms, every seed a point: {size_verdict(found).words}. A floor that no size gets "
        "below is not part of the law: so few sizes do not tell one from a small exponent.",
        "",
        *table(["channels", "mean test error %", "by seed"], rows),
    ]


def size_figure(found: Numbers) -> Figure:
    """Errors of every seed over the number of channels, and the law."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 3.6), layout="constrained")
    axes = figure.subplots()
    for count, errors in zip(found["sizes"], found["errors"], strict=True):
        axes.plot([count] * len(errors), 100 * np.array(errors), "o", mfc="none", color=colour(0))
    ends = np.array([found["sizes"][0], found["sizes"][-1]])
    law = 100 * found["factor"] * ends ** found["slope"]
    axes.loglog(ends, law, label=f"$C^{{{found['slope']:+.3f}}}$", **line(1))
    axes.set_xscale("log", base=2)
    axes.set_xticks(found["sizes"], [str(count) for count in found["sizes"]])
    axes.minorticks_off()
    low, high = axes.get_ylim()
    shown = np.linspace(low, high, 5)[1:-1]
    axes.set_yticks(shown, [f"{value:.1f}" for value in shown])
    axes.set_xlabel("channels C")
    axes.set_ylabel("test error in %")
    axes.legend()
    return figure


def learnt(outcome: Outcome) -> dict[str, Any] | None:
    """Percentiles of diffusivities and speeds at the end, means over the seeds, with where D started."""
    rows = {}
    for (name, _), row in outcome.rows.items():
        values = _percentiles(row, "D")
        if values is not None and name != "metric":  # whose step bounds them
            rows[name] = {"D": values, "a": _percentiles(row, "a"), "accuracy": row.accuracy().mean}
    starts = {start: f"D = {start:g}" for start in _named(outcome, r"D = ([\d.]+)", float)}
    return {"rows": rows, "starts": starts} if rows else None


def diffusivity_verdict(found: Numbers) -> Finding:
    """Whether rows that start a hundredfold apart end nearer to one another."""
    starts = {float(start): name for start, name in found["starts"].items()}
    if len(starts) < 2:
        return Finding(None, "rows with several starts were not measured")
    ends = [found["rows"][name]["D"][2] for name in starts.values()]
    pairs = ", ".join(f"{start:g} to {end:.3g}" for start, end in zip(starts, ends, strict=True))
    part = math.log(max(ends) / min(ends)) / math.log(max(starts) / min(starts))
    best = max(starts.values(), key=lambda name: found["rows"][name]["accuracy"])
    words = f"medians went from {pairs}: {part:.2f} of the range in logarithms is left; the best accuracy has {best}"
    return Finding(part <= NARROWED, words)


def learnt_lines(found: Numbers) -> list[str]:
    """A table of percentiles."""
    heads = ["row", "accuracy %", *(f"D, {share} %" for share in SHARES), *(f"speed, {share} %" for share in SHARES)]
    rows = [
        [name, percent(one["accuracy"]), *map(_short, one["D"]), *map(_short, one["a"] or [math.nan] * len(SHARES))]
        for name, one in found["rows"].items()
    ]
    return [
        "Percentiles over the channels after training, means over the seeds; diffusivities start at 0.1 if the row "
        "does not say otherwise, speeds between -0.3 and 0.3.",
        "",
        *table(heads, rows),
    ]


def learnt_figure(found: Numbers) -> Figure:
    """The range of the diffusivities at the end, and where they started."""
    from matplotlib.figure import Figure

    names = list(found["rows"])
    starts = {name: float(start) for start, name in found["starts"].items()}
    figure = Figure(figsize=(6.4, 1.2 + 0.3 * len(names)), layout="constrained")
    axes = figure.subplots()
    for place, name in enumerate(names):
        low, quarter, median, three, high = found["rows"][name]["D"]
        axes.plot([low, high], [place, place], color=colour(0), lw=1)
        axes.plot([quarter, three], [place, place], color=colour(0), lw=4)
        axes.plot(median, place, "o", color=colour(0), ms=5, label="at the end" if place == 0 else None)
        axes.plot(starts.get(name, 0.1), place, "|", color=muted(), ms=14, mew=2, label="start" if place == 0 else None)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xscale("log")
    axes.set_xlabel("diffusivity: all channels, the middle half, the median")
    axes.legend(fontsize=8)
    return figure


def rest(outcome: Outcome) -> dict[str, Any] | None:
    """Means over the seeds of what `rest_of` found."""
    names = ("contraction", "predicted", "counted", "prediction_error")
    row = _row(outcome, "adaptive")
    if row is None or math.isnan(row.mean("contraction")):
        return None
    return {name: row.mean(name) for name in names} | {"evaluations": row.mean("evaluations")}


def rest_verdict(found: Numbers) -> Finding:
    """Whether the prediction is right to a fifth."""
    words = (
        f"{found['predicted']:.1f} evaluations predicted from a contraction of {found['contraction']:.3f} per step at "
        f"rest, {found['counted']:.1f} counted; text by text the relative error is {found['prediction_error']:.2f} rms"
    )
    return Finding(found["prediction_error"] <= CLOSE, words)


def rest_lines(found: Numbers) -> list[str]:
    """The numbers in a paragraph."""
    return [
        "If every step of the row `adaptive` multiplied the rate of the field by what it multiplies it by at rest, the "
        f"number of steps would follow from the rate at the start. On 64 test texts: {rest_verdict(found).words}. More "
        "predicted than counted: fields contract faster on the way than at rest. All test texts took "
        f"{found['evaluations']:.1f} on the average.",
    ]


def geometry(outcome: Outcome) -> dict[str, Any] | None:
    """Percentiles of the distances of neighbours, and where they are long."""
    row = _row(outcome, "metric")
    widths = None if row is None else _percentiles(row, "width")
    if row is None or widths is None:
        return None
    return {"widths": widths, **{name: row.mean(name) for name in ("common", "rare", "ends", "middle")}}


def geometry_verdict(found: Numbers) -> Finding:
    """Whether a quarter of the distances differs from 1 by a tenth."""
    quarter, three = found["widths"][1], found["widths"][3]
    words = (
        f"the middle half of the distances lies between {quarter:.3f} and {three:.3f} (flat: 1, possible: 0.5 to 2); "
        f"mean log2 of common words {_signed(found['common'])}, of rare ones {_signed(found['rare'])}, at the ends of "
        f"texts {_signed(found['ends'])}, in the middle {_signed(found['middle'])}"
    )
    return Finding(quarter < 1 / CURVED or three > CURVED, words)


def geometry_lines(found: Numbers) -> list[str]:
    """The numbers in a paragraph."""
    low, _, median, _, high = found["widths"]
    return [
        f"How far a word is from its neighbours in the row `metric`, on 64 test texts: {low:.3f} to {high:.3f}, median "
        f"{median:.3f}; {geometry_verdict(found).words}. Common words are the hundred most frequent; the ends of a "
        "text are a tenth at either side.",
    ]


def _named(outcome: Outcome, pattern: str, number: type[int] | type[float] = int) -> Mapping[Any, Row]:
    """Measured rows whose name is a number in words, by that number, in its order."""
    found = {
        number(match[1]): row
        for (name, _), row in outcome.rows.items()
        if row.is_measured and (match := re.fullmatch(pattern, name))
    }
    return dict(sorted(found.items()))


def _row(outcome: Outcome, name: str) -> Row | None:
    return next((row for (own, _), row in outcome.rows.items() if own == name and row.is_measured), None)


def _percentiles(row: Row, name: str) -> list[float] | None:
    values = [row.mean(f"{name}_{share}") for share in SHARES] if row.is_measured else [math.nan]
    return None if any(map(math.isnan, values)) else values


def _signed(value: float) -> str:
    return "not known" if math.isnan(value) else f"{value:+.3f}"


def _short(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}"
