"""The picture of a convergence study: errors over h, the fitted law, the claimed slope."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fieldsolver import themes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fieldsolver.results import AnalysisResult


def draw_convergence(result: AnalysisResult) -> Figure:
    """Log-log; filled circles entered the fit, open ones did not."""
    from matplotlib.figure import Figure

    data = result.dataset
    h, errors, used = data["h"].values, data["error"].values, data["used"].values.astype(bool)
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.add_subplot(xscale="log", yscale="log")
    axes.plot(h[used], errors[used], "o", color=themes.colour(0), label="error")
    if not used.all():
        axes.plot(h[~used], errors[~used], "o", color=themes.colour(0), fillstyle="none", label="error, not in the fit")
    order, expected = float(data["order"]), float(data["expected"])
    fine = np.geomspace(h.min(), h.max(), 200)
    if np.isfinite(order):
        interval = f"[{float(data['order_lo']):.3f}, {float(data['order_hi']):.3f}]"
        axes.plot(fine, _law(result, fine), color=themes.colour(1), label=f"fit: order {order:.3f} {interval}")
    anchor = np.flatnonzero(used)
    if np.isfinite(expected) and anchor.size:
        line = errors[anchor[0]] * (fine / h[anchor[0]]) ** expected
        axes.plot(fine, line, "--", color=themes.ink(), label=f"claimed slope {expected:g}")
    axes.set_xlabel(data["h"].attrs["long_name"])
    axes.set_ylabel("error")
    axes.set_title(result.status.name)
    axes.legend()
    return figure


def _law(result: AnalysisResult, h: np.ndarray) -> np.ndarray:
    """C h^p (1 + a h^q) + floor."""
    names = ("coefficient", "order", "next_coefficient", "next_order", "floor")
    coefficient, p, a, q, floor = (float(result[name]) for name in names)
    return np.asarray(coefficient * h**p * (1 + a * h**q) + floor)
