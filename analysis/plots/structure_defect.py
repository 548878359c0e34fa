"""The picture of a structure defect: what a step breaks, over its size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fieldsolver import themes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fieldsolver.results import AnalysisResult

NAMES = {"symplectic_defect": "symplecticity", "return_error": "symmetry", "reversibility_defect": "reversibility"}
MARKERS = "os^"
LEAST = 1e-17


def draw_structure_defect(result: AnalysisResult) -> Figure:
    """Log-log; exact zeros lie at the bottom."""
    from matplotlib.figure import Figure

    data = result.dataset
    figure = Figure(figsize=(6, 4.2), layout="constrained")
    axes = figure.add_subplot(xscale="log", yscale="log")
    for position, (name, label) in enumerate(NAMES.items()):
        values = np.maximum(data[name].values, LEAST)
        axes.plot(data["dt"].values, values, marker=MARKERS[position], label=label, **_style(position))
    axes.axhline(np.finfo(float).eps, color=themes.muted(), linewidth=0.8)
    axes.annotate("round-off", (data["dt"].values[0], np.finfo(float).eps), color=themes.muted(), fontsize="small",
                  ha="right", va="bottom")  # fmt: skip
    axes.set_xlabel("step size")
    axes.set_ylabel("defect of one step")
    axes.set_title(f"{result.status.name}: {data.attrs.get('method', '')}", fontsize="medium")
    axes.legend()
    return figure


def _style(position: int) -> dict[str, Any]:
    return dict(themes.line(position))
