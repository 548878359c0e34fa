"""The picture of a grid study of one quantity: its values, the fitted law down to h = 0, the band."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldsolver import themes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fieldsolver.results import AnalysisResult


def draw_discretisation_uncertainty(result: AnalysisResult) -> Figure:
    """Values with their bands over h, and the extrapolated one at h = 0."""
    from matplotlib.figure import Figure

    data = result.dataset
    h, values = data["h"].values, data["value"].values
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.errorbar(
        h, values, data["uncertainty"].values, label="value with its band", fmt="o", capsize=3, color=themes.colour(0)
    )
    limit = float(data["extrapolated"])
    axes.plot([0, *h], [limit, *data["fitted"].values], "--", color=themes.colour(1), label=str(data["model"].values))
    axes.plot(0, limit, "D", color=themes.colour(1), label=f"extrapolated {limit:.6g}", clip_on=False)
    axes.set_xlim(left=0)
    axes.set_xlabel("mesh size h")
    axes.set_ylabel("quantity")
    axes.set_title(
        f"{result.status.name}: {values[0]:.6g} $\\pm$ {float(data['uncertainty'][0]):.2g} on the finest grid"
    )
    axes.legend()
    return figure
