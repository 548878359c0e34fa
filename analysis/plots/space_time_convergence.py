"""The picture of a joint study in space and time: errors over dt, a line per mesh, and which error is the larger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fieldsolver import themes

from .level_ticks import label_levels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fieldsolver.results import AnalysisResult


def draw_space_time_convergence(result: AnalysisResult) -> Figure:
    """Circles: errors, filled where the time error is the larger one; lines: the fitted law."""
    from matplotlib.figure import Figure

    data = result.dataset
    h, dt = data["h"].values, data["dt"].values
    errors, share = data["error"].values, data["time_share"].values
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.add_subplot(xscale="log", yscale="log")
    fine = np.geomspace(dt.min(), dt.max(), 200)
    for row, size in enumerate(h):
        colour = themes.colour(row)
        in_time = share[row] > 0.5
        axes.plot(dt[in_time], errors[row][in_time], "o", color=colour)
        axes.plot(dt[~in_time], errors[row][~in_time], "o", color=colour, fillstyle="none")
        axes.plot(fine, _law(result, size, fine), color=colour, linewidth=1.0, label=f"h = {size:.3g}")
    label_levels(axes.xaxis, dt)
    axes.set_xlabel("step size dt (filled: the time error is the larger one)")
    axes.set_ylabel("error")
    p, q = float(data["time_order"]), float(data["space_order"])
    axes.set_title(f"{result.status.name}, order {p:.2f} in time and {q:.2f} in space")
    axes.legend(loc="lower right")
    return figure


def _law(result: AnalysisResult, h: float, dt: np.ndarray) -> np.ndarray:
    names = ("time_coefficient", "time_order", "space_coefficient", "space_order", "sign")
    time, p, space, q, sign = (float(result[name]) for name in names)
    return np.abs(time * dt**p + sign * space * h**q)
