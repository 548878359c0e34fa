"""The picture of a cross-check: differences over tolerances, one line an engine, and the bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fieldsolver import themes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fieldsolver.results import AnalysisResult


def draw_cross_check(result: AnalysisResult) -> Figure:
    """Log-log; exact agreement is drawn at a tenth of the smallest difference."""
    from matplotlib.figure import Figure

    data = result.dataset
    tolerances, difference = data["tolerance"].values, data["difference"].values
    positive = difference[np.isfinite(difference) & (difference > 0)]
    floor = positive.min() / 10 if positive.size else 1e-16
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.add_subplot(xscale="log", yscale="log")
    for position, (name, row) in enumerate(zip(data["engine"].values, difference, strict=True)):
        look, label = themes.line(position), f"{name}: {data['verdict'].values[position]}"
        colour, line = look["color"], look["linestyle"]
        axes.plot(tolerances, np.maximum(row, floor), marker="o", label=label, color=colour, linestyle=line)
    bound = float(data["factor"]) * max(1.0, float(data["amplification"]))
    axes.plot(tolerances, tolerances, ":", color=themes.muted(), label="the tolerance")
    if np.isfinite(bound):
        axes.plot(tolerances, bound * tolerances, "--", color=themes.ink(), label="bound")
    axes.set_xlabel("tolerance")
    axes.set_ylabel(f"difference from {data.attrs['reference']}")
    axes.set_title(result.status.name)
    axes.legend(fontsize="small")
    return figure
