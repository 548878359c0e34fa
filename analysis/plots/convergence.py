"""The picture of a convergence study: errors over h, the fitted law, the claimed slope."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from fieldsolver import themes

from .level_ticks import label_levels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fieldsolver.results import AnalysisResult


WIDEST = 4.0
"""A line whose order is known to within so many orders says nothing, and is not drawn."""


def draw_convergence(result: AnalysisResult) -> Figure:
    """Log-log; filled circles entered the fit, open ones did not."""
    from matplotlib.figure import Figure

    data = result.dataset
    h, errors, used = data["h"].values, data["error"].values, data["used"].values.astype(bool)
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    if not h.size:
        words = textwrap.fill(result.reason, 60)
        figure.text(0.5, 0.5, f"{result.status.name}\n\n{words}", ha="center", va="center")
        return figure
    axes = figure.add_subplot(xscale="log", yscale="log")
    _draw_levels(axes, result, h, errors, used)
    order, expected = float(data["order"]), float(data["expected"])
    fine = np.geomspace(h.min(), h.max(), 200)
    if float(data["order_hi"]) - float(data["order_lo"]) < WIDEST:
        interval = f"[{float(data['order_lo']):.3f}, {float(data['order_hi']):.3f}]"
        axes.plot(
            fine, _law(result, fine), color=themes.colour(1), label=f"fit: order {order:.3f} {interval}", zorder=1
        )
    anchor = np.flatnonzero(used)
    if np.isfinite(expected) and anchor.size:
        line = errors[anchor[0]] * (fine / h[anchor[0]]) ** expected
        axes.plot(fine, line, "--", color=themes.muted(), label=f"claimed slope {expected:g}", zorder=0)
    floor = float(data["floor"])
    if floor > 0:
        axes.axhline(floor, color=themes.muted(), linestyle=":", linewidth=1.0, label=f"floor {floor:.1e}")
    label = data["h"].attrs["long_name"]
    axes.set_xlabel({"h": "mesh size h", "dt": "step size dt", "rtol": "relative tolerance"}.get(label, label))
    label_levels(axes.xaxis, h)
    axes.set_ylabel("error")
    known = float(data["order_hi"]) - float(data["order_lo"]) < WIDEST
    finding = f", order {order:.2f}" if known else ""
    axes.set_title(f"{result.status.name}{finding}")
    axes.legend(loc="upper left")
    return figure


def _draw_levels(axes: Axes, result: AnalysisResult, h: np.ndarray, errors: np.ndarray, used: np.ndarray) -> None:
    if "error_lo" in result.dataset:
        lower, upper = result.dataset["error_lo"].values, result.dataset["error_hi"].values
        axes.errorbar(h, errors, (errors - lower, upper - errors), fmt="none", color=themes.colour(0), capsize=3)
    positive = errors > 0
    shown = used & positive
    axes.plot(h[shown], errors[shown], "o", color=themes.colour(0), label="error")
    left = ~used & positive
    if left.any():
        axes.plot(h[left], errors[left], "o", color=themes.colour(0), fillstyle="none", label="error, not in the fit")


def _law(result: AnalysisResult, h: np.ndarray) -> np.ndarray:
    """C h^p (1 + a h^q) + floor of the law; a floor that was met lies outside it."""
    names = ("coefficient", "order", "next_coefficient", "next_order")
    coefficient, p, a, q = (float(result[name]) for name in names)
    fitted = "floor" in str(result["model"].values)
    return np.asarray(coefficient * h**p * (1 + a * h**q) + (float(result["floor"]) if fitted else 0.0))
