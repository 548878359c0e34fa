"""The picture of a Lyapunov study: the exponents with their intervals, and how their running means settle."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fieldsolver import themes

from .short_log_axis import tidy_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fieldsolver.results import AnalysisResult

NAMED = 6
"""Up to so many exponents each has a line of its own in the legend."""
WIDE = 10.0
"""Ratio of the largest to the smallest exponent beyond which the axis is logarithmic away from zero."""


def draw_lyapunov(result: AnalysisResult) -> Figure:
    """Left the spectrum, right the distance of the running means from their ends."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    headline = result.reason.split(";")[0].split(", Kaplan")[0]
    figure.suptitle(f"{result.status.name}: {headline}", wrap=True)
    if bool(np.isfinite(result["lambda"]).all()):
        _spectrum(left, result)
        _settling(right, result)
    else:
        left.set_axis_off()
        right.set_axis_off()
    return figure


def _spectrum(axes: Axes, result: AnalysisResult) -> None:
    from matplotlib.ticker import MaxNLocator

    value, number = result["lambda"].values, result["exponent"].values
    half = result["lambda_hi"].values - value
    axes.axhline(0.0, color=themes.muted(), linewidth=0.8)
    colours = [themes.colour(1 if v - h > 0 else 2 if v + h >= 0 else 0) for v, h in zip(value, half, strict=True)]
    for place, v, h, colour in zip(number, value, half, colours, strict=True):
        axes.errorbar(place, v, yerr=h, fmt="o", color=colour, markersize=5, capsize=3)
        if len(value) <= NAMED:
            axes.annotate(_shown(v, h), (place, v), xytext=(0, 9), textcoords="offset points", ha="center")
    size = np.abs(value[np.abs(value) > half])
    if size.size and size.max() > WIDE * size.min():
        axes.set_yscale("symlog", linthresh=10.0 ** math.ceil(math.log10(size.min())))
    dimension = float(result["D_KY"])
    if np.isfinite(dimension):
        low, high = float(result["D_KY_lo"]), float(result["D_KY_hi"])
        axes.set_title(f"Kaplan-Yorke dimension {dimension:.4g} ± {(high - low) / 2:.2g}", fontsize="medium")
    axes.margins(y=0.12)
    axes.set_xlim(number[0] - 0.6, number[-1] + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="exponent", ylabel=f"λ  [{result['lambda'].attrs['units']}]")


def _shown(value: float, half: float) -> str:
    """Two digits of the half-width, and as many decimals of the value."""
    decimals = min(9, max(0, 1 - math.floor(math.log10(half)))) if half > 0 else 9
    return f"{value:.{decimals}f} ± {half:.2g}"


def _settling(axes: Axes, result: AnalysisResult) -> None:
    time, history = result["time"].values, result["history"].values
    named = len(history) <= NAMED
    for position, running in enumerate(history):
        distance = np.abs(running[:-1] - running[-1])
        style = themes.line(position) if named else {"color": themes.colour(0), "alpha": 0.4}
        axes.plot(time[:-1], np.where(distance > 0, distance, np.nan), linewidth=1.2, **style)
        axes.lines[-1].set_label(f"λ{position + 1}" if named else "_")
    lines = np.abs(history[:, :-1] - history[:, -1:])
    if (lines > 0).any():
        axes.set(xscale="log", yscale="log")
        axes.plot(time, lines.max() * time[0] / time, color=themes.muted(), linewidth=0.8, linestyle=":")
        axes.lines[-1].set_label("1/time")
        tidy_log(axes.xaxis)
        tidy_log(axes.yaxis)
    axes.set_title("distance of the running mean from its end", fontsize="medium")
    axes.set(xlabel=f"{result['time'].attrs['units']} of each member", ylabel="distance")
    if named:
        axes.legend(fontsize="small", ncols=2)
