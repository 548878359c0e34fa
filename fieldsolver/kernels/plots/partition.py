"""The picture of a partition: the parts as stacks of their weights, around the mean."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from fieldsolver import themes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fieldsolver.results import AnalysisResult

MOST_SLICES = 60
"""Items of a part up to which each has a slice of its own; more are one bar."""


def draw_partition(result: AnalysisResult) -> Figure:
    """One column per part, heavy weights at the bottom; the dashed line is the mean of the sums."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(6, 4.2), layout="constrained")
    if "assignment" not in result.dataset:
        words = textwrap.fill(result.reason, 60)
        figure.text(0.5, 0.5, f"{result.status.name}\n\n{words}", ha="center", va="center", color=themes.ink())
        return figure
    axes = figure.add_subplot()
    weights, assignment = result["weight"].values.astype(float), result["assignment"].values
    ground = axes.get_facecolor()  # parts the slices
    parts = result.dataset.sizes["part"]
    for part in range(parts):
        own = np.sort(weights[assignment == part])[::-1]
        slices = own if len(own) <= MOST_SLICES else own.sum(keepdims=True)
        bottoms = np.cumsum(slices) - slices
        axes.bar([part] * len(slices), slices, bottom=bottoms, color=themes.colour(0), edgecolor=ground, linewidth=1)
    sums = result["part_sum"].values.astype(float)
    axes.axhline(sums.mean(), linestyle="--", color=themes.colour(1), label=f"mean {sums.mean():.6g}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="part", ylabel="sum of the weights", ylim=(0, 1.18 * sums.max()))
    axes.set_title(f"{result.status.name}: sums from {sums.min():.6g} to {sums.max():.6g}")
    axes.legend(loc="upper right")
    return figure
