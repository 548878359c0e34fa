"""The picture of certificates: a table of what holds, and how surely."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from fieldsolver import themes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fieldsolver.results import AnalysisResult

SIGNS = {1: "yes", 0: "no", -1: "-"}
POSITIONS = {1: 2, 0: 1, -1: None}
"""Which colour of the cycle says so."""


def draw_certificates(result: AnalysisResult) -> Figure:
    """One line per property."""
    from matplotlib.figure import Figure

    data = result.dataset
    rows = data["property"].values
    figure = Figure(figsize=(8, 0.6 + 0.6 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    for row, name in enumerate(rows):
        holds = int(data["holds"].values[row])
        position = POSITIONS[holds]
        colour = themes.muted() if position is None else themes.colour(position)
        axes.text(0.0, row, str(name), va="center", weight="bold")
        axes.text(0.24, row, SIGNS[holds], va="center", color=colour, weight="bold")
        axes.text(0.30, row, str(data["level"].values[row]), va="center", color=themes.muted())
        axes.text(0.42, row, textwrap.fill(str(data["text"].values[row]), 62), va="center", fontsize="small")
    axes.set_title(f"{result.status.name}: {data.attrs.get('method', '')}", fontsize="medium")
    return figure
