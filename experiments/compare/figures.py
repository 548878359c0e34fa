"""Pictures of an outcome, in the colours of the theme that is being drawn."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldsolver.themes import colour, muted

from .outcome import Outcome, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = "osD^vPX*"


def drawings_of(outcome: Outcome) -> dict[str, Callable[[], Figure]]:
    """The figures that have something to show, by name."""
    sets = outcome.study.data_sets
    found: dict[str, Callable[[], Figure]] = {}
    if any(_shown(outcome, data) for data in sets):
        found["accuracy"] = partial(accuracy_figure, outcome)
    if any(_networks(outcome, data) for data in sets):
        found["effort"] = partial(effort_figure, outcome)
    return found


def accuracy_figure(outcome: Outcome) -> Figure:
    """Test accuracy of every seed, the mean with its interval, one panel per data set."""
    from matplotlib.figure import Figure

    sets = [data for data in outcome.study.data_sets if _shown(outcome, data)]
    most = max((len(_shown(outcome, data)) for data in sets), default=1)
    figure = Figure(figsize=(4.6 * max(1, len(sets)) + 1.2, 1.2 + 0.34 * most), layout="constrained")
    for axes, data in zip(np.ravel(figure.subplots(1, max(1, len(sets)), squeeze=False)), sets, strict=False):
        _accuracy_panel(axes, _shown(outcome, data), data)
    return figure


def effort_figure(outcome: Outcome) -> Figure:
    """Mean test accuracy over training seconds, one panel per data set; networks only, each with one mark in all."""
    from matplotlib.figure import Figure

    sets = [data for data in outcome.study.data_sets if _networks(outcome, data)]
    names = list(dict.fromkeys(row.name for data in sets for row in _networks(outcome, data)))
    figure = Figure(figsize=(4.6 * max(1, len(sets)) + 2.0, 3.8), layout="constrained")
    drawn: dict[str, Any] = {}
    for axes, data in zip(np.ravel(figure.subplots(1, max(1, len(sets)), squeeze=False)), sets, strict=False):
        for row in _networks(outcome, data):
            drawn[row.name] = _effort_mark(axes, row, names.index(row.name))
        axes.set_xlim(left=0)
        axes.set_xlabel("seconds of training")
        axes.set_title(data)
    figure.axes[0].set_ylabel("test accuracy in %, ± deviation over seeds")
    figure.legend([drawn[name] for name in names], names, fontsize=8, loc="outside right center")
    return figure


def _effort_mark(axes: Axes, row: Row, place: int) -> Any:
    found = row.accuracy()
    spread = 0.0 if np.isnan(found.deviation) else 100 * found.deviation
    return axes.errorbar(
        row.mean("seconds"), 100 * found.mean, yerr=spread, fmt=MARKERS[place % len(MARKERS)], color=colour(place),
        capsize=3,
    )  # fmt: skip


def _accuracy_panel(axes: Axes, rows: list[Row], data: str) -> None:
    for place, row in enumerate(rows):
        own, found = colour(0 if row.entry.recipe.is_network else 1), row.accuracy()
        axes.plot(100 * row.accuracies, np.full(len(row.results), place), "o", ms=4, mfc="none", color=own)
        if np.isfinite(found.high):
            ends = [max(0.0, 100 * found.low), min(100.0, 100 * found.high)]
            axes.plot(ends, [place, place], color=own, lw=1.2)
        axes.plot(100 * found.mean, place, "|", ms=14, mew=2, color=own)
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.invert_yaxis()
    axes.grid(axis="x", color=muted(), lw=0.4)
    axes.set_xlabel("test accuracy in %: seeds, mean, 95 % interval")
    axes.set_title(data)


def _shown(outcome: Outcome, data: str) -> list[Row]:
    """Measured rows; the majority would press all others into a corner."""
    return [row for row in outcome.on(data) if row.is_measured and row.entry.recipe.model != "majority"]


def _networks(outcome: Outcome, data: str) -> list[Row]:
    return [row for row in _shown(outcome, data) if row.entry.recipe.is_network]
