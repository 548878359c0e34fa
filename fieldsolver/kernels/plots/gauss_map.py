"""The picture of a Gauss map: what each pair of segments adds, and the window that is wound most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fieldsolver import themes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fieldsolver.results import AnalysisResult


def draw_gauss_map(result: AnalysisResult) -> Figure:
    """Segments of a to the right, of b upwards; the colours are symmetric about 0."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    gln = result["gln"].values
    most = float(np.abs(gln).max()) or 1.0
    figure = Figure(figsize=(6, 4.8), layout="constrained")
    axes = figure.add_subplot()
    shown = axes.pcolormesh(
        np.arange(gln.shape[0]), np.arange(gln.shape[1]), gln.T, cmap="RdBu_r", vmin=-most, vmax=most, rasterized=True
    )
    figure.colorbar(shown, label="contribution to the integral")
    first_a, last_a, first_b, last_b = (int(result[key]) for key in ("first_a", "last_a", "first_b", "last_b"))
    window = Rectangle(
        (first_a - 0.5, first_b - 0.5), last_a - first_a + 1, last_b - first_b + 1, fill=False, linewidth=2.0,
        edgecolor=themes.colour(2), clip_on=False, zorder=3.0,  # whole at the rim of the map, above the axes
    )  # fmt: skip
    axes.add_patch(window)
    touching = np.argwhere(result["touches"].values)
    if len(touching):
        axes.plot(*touching.T, "x", color=themes.colour(1), label="touch: no integral")
        axes.legend(loc="lower right", frameon=True, framealpha=1.0)  # the map is white in every theme
    axes.set(xlabel="segment of a", ylabel="segment of b")
    whole, best = round(float(result["cumulative"].values[-1, -1]), 12), float(result["max_gln"])
    head = "the chains touch" if len(touching) else f"whole chains {whole:.3g}"
    axes.set_title(f"{head}; most in the frame: {best:.3g}")
    return figure
