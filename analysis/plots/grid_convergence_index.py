"""The picture of three grids: their values, the fitted power down to h = 0, the band of the finest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fieldsolver import themes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fieldsolver.results import AnalysisResult


def draw_grid_convergence_index(result: AnalysisResult) -> Figure:
    """Values over h, and what they extrapolate to; values that oscillate follow no power of h."""
    from matplotlib.figure import Figure

    data = result.dataset.sortby("h")
    h, values = data["h"].values, data["value"].values
    limit, p, index = (float(data[name]) for name in ("extrapolated", "order", "gci_fine"))
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(h, values, "o", color=themes.colour(0), label="value")
    title = result.status.name
    if math.isfinite(p):
        if not int(data["oscillatory"]):
            fine = np.linspace(0, h[-1], 200)
            law = limit + (values[0] - limit) * (fine / h[0]) ** p
            axes.plot(fine, law, color=themes.colour(1), label=f"order {p:.3f}", zorder=1)
        axes.plot(0, limit, "D", color=themes.colour(1), label=f"extrapolated {limit:.6g}", clip_on=False)
        axes.errorbar(
            h[0], values[0], abs(values[0]) * index, fmt="none", label="its index", capsize=3, color=themes.colour(0)
        )
        title += f": {values[0]:.6g} $\\pm$ {100 * index:.2g} %"
    axes.set_xlim(left=0)
    axes.set_xlabel("mesh size h")
    axes.set_ylabel("quantity")
    axes.set_title(title)
    axes.legend()
    return figure
