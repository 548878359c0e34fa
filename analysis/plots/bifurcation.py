"""The picture of points where stability changes: the eigenvalues in the complex plane, those that cross marked."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fieldsolver import themes

from .sentence import draw_sentence

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

    from fieldsolver.results import AnalysisResult

NAMES = {"hopf": "Hopf point", "fold": "fold", "branch": "branch point", "period_doubling": "period doubling"}
COLUMNS = 4
"""Panels beside each other; more go below."""


def draw_bifurcation(result: AnalysisResult) -> Figure:
    """A panel for each point."""
    from matplotlib.figure import Figure

    data = result.dataset
    if "eig_re" not in data:
        return draw_sentence(result)
    count = data.sizes["point"]
    rows = math.ceil(count / COLUMNS)
    columns = math.ceil(count / rows)
    figure = Figure(figsize=(max(4.5, 3.4 * columns), 3.8 * rows), layout="constrained")
    turn = np.linspace(0, 2 * np.pi, 200)
    panels = figure.subplots(rows, columns, squeeze=False)
    for position, axes in enumerate(panels.flat):
        if position >= count:
            axes.remove()
            continue
        point = data.isel(point=position)
        is_map = str(point["kind"].item()) == "period_doubling"
        if is_map:
            axes.plot(np.cos(turn), np.sin(turn), color=themes.muted(), lw=0.9)
            axes.set_aspect("equal")
        else:
            axes.axvline(0, color=themes.muted(), lw=0.9)
        axes.axhline(0, color=themes.muted(), lw=0.5)
        real, imaginary = point["eig_re"].values, point["eig_im"].values
        distance = np.abs(np.hypot(real, imaginary) - 1) if is_map else np.abs(real)
        crossing = distance <= distance.min() + 1e-6 * (1 + np.abs(real).max())
        if not crossing.all():
            axes.plot(real[~crossing], imaginary[~crossing], "o", color=themes.colour(0), label="other eigenvalues")
        axes.plot(real[crossing], imaginary[crossing], "D", color=themes.colour(1), label="crossing")
        size = 1.2 * max(float(np.hypot(real, imaginary).max()), float(is_map) or 1e-12)
        axes.set(xlim=(-size, size), ylim=(-size, size), xlabel="real part", title=_title(point))
        axes.title.set_fontsize("medium")
    for row in panels:
        row[0].set_ylabel("imaginary part")
    figure.axes[0].legend(fontsize="x-small")
    return figure


def _title(point: xarray.Dataset) -> str:
    name = point["value"].attrs["long_name"].removeprefix("value of ")
    kind = NAMES[point["kind"].item()]
    return f"{point['criticality'].item()} {kind}\n{name} = {point['value'].item():.6g}"
