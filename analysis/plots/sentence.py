"""A result without numbers is a sentence."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from fieldsolver import themes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fieldsolver.results import AnalysisResult

COLUMNS, LINE = 78, 0.22
"""Characters in a line of the figure's width, and the height of one in inches."""


def draw_sentence(result: AnalysisResult) -> Figure:
    """The verdict and its reason, on as many lines as they need."""
    from matplotlib.figure import Figure

    lines = textwrap.wrap(f"{result.status.name}: {result.reason}", COLUMNS)
    figure = Figure(figsize=(6.4, 0.5 + LINE * len(lines)))
    figure.text(0.5, 0.5, "\n".join(lines), ha="center", va="center", fontsize="medium", color=themes.ink())
    return figure
