"""The picture of a work-precision study: error against time, with its spread, and against evaluations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fieldsolver import themes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fieldsolver.results import AnalysisResult

MARKERS = "osD^vPX*<>"
FRONT_WIDTH = 7.0
MOST_TICKS = 5
WIDE = 100.0
"""Times and counts that span more than this are labelled at powers of ten alone."""


def draw_work_precision(result: AnalysisResult) -> Figure:
    """Log-log; down and to the left is better. A broad band joins the runs that none beats in both."""
    from matplotlib.figure import Figure

    if "error" not in result.dataset:
        return _empty(result)
    figure = Figure(figsize=(9.6, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    norm = str(result.dataset.attrs["norm"])
    error = result["error"].sel(error_norm=norm).values
    _panel(left, result, result["time_median"].values, error, "pareto", spread=True)
    _panel(right, result, result["nfev"].values, error, "pareto_nfev", spread=False)
    left.set_ylabel(f"error at the end, {norm} norm")
    left.set_xlabel("wall time / s: median and quartiles")
    right.set_xlabel("evaluations of the right-hand side")
    floor = float(result["reference_error"])
    if floor > 0:
        for axes in (left, right):
            axes.axhline(floor, color=themes.muted(), lw=1, ls=":", zorder=0)
        right.annotate("error of the reference", (0.98, floor), xycoords=("axes fraction", "data"), ha="right",
                       va="bottom", color=themes.muted(), fontsize=8)  # fmt: skip
    right.legend(fontsize=9, loc="best")
    figure.suptitle(_title(result), fontsize=11)
    return figure


def _panel(
    axes: Axes, result: AnalysisResult, work: np.ndarray, error: np.ndarray, front: str, *, spread: bool
) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    best = result[front].values.astype(bool) & (error > 0)
    order = np.argsort(work[best])
    axes.plot(work[best][order], error[best][order], color=themes.muted(), alpha=0.35, lw=FRONT_WIDTH, zorder=1,
              solid_capstyle="round", label="no run beats these")  # fmt: skip
    for k, name in enumerate(result["method"].values):
        seen = np.isfinite(work[k]) & (error[k] > 0)
        x, y = work[k][seen], error[k][seen]
        label = f"{name} (order {int(result['order'].values[k])})"
        bars = None
        if spread:
            ends = (result["time_q25"].values[k][seen], result["time_q75"].values[k][seen])
            bars = np.stack([x - ends[0], ends[1] - x])
        style = themes.line(k)
        axes.errorbar(
            x, y, xerr=bars, marker=MARKERS[k % len(MARKERS)], ms=5, lw=1.4, capsize=2, label=label, zorder=2,
            color=style["color"], ls=style["linestyle"],
        )  # fmt: skip
    _label_decades(axes, work[np.isfinite(work) & (work > 0)])
    axes.grid(visible=True, which="major", alpha=0.25)


def _label_decades(axes: Axes, work: np.ndarray) -> None:
    """Labels of a log axis of about one decade overlap: at most five, at 1, 2 and 5 times powers of ten."""
    from matplotlib.ticker import FixedLocator, NullFormatter

    if not work.size:
        return
    low, high = work.min() / 1.3, work.max() * 1.3
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    ticks = np.outer(powers, (1, 2, 5)).ravel() if high / low < WIDE else powers
    ticks = ticks[(ticks >= low) & (ticks <= high)]
    axes.xaxis.set_major_locator(FixedLocator(ticks[:: int(np.ceil(len(ticks) / MOST_TICKS))].tolist()))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _title(result: AnalysisResult) -> str:
    if "cheapest" not in result.dataset:
        return result.status.name
    names = [str(name) for name in result["cheapest"].values if str(name) != "none"]
    order = [name for k, name in enumerate(names) if k == 0 or name != names[k - 1]]
    return (
        f"{result.status.name}: fastest from loose to tight: {', then '.join(order)}" if order else result.status.name
    )


def _empty(result: AnalysisResult) -> Figure:
    import textwrap

    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 2), layout="constrained")
    figure.text(0.5, 0.5, textwrap.fill(f"{result.status.name}: {result.reason}", 70), ha="center", va="center")
    return figure
