"""The picture of a spectral convergence study: errors over the number of points, both laws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fieldsolver import themes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fieldsolver.results import AnalysisResult


def draw_spectral_convergence(result: AnalysisResult) -> Figure:
    """Logarithm of the error over n, where a geometric law is a straight line."""
    from matplotlib.figure import Figure

    data = result.dataset
    n, errors, used = data["n"].values, data["error"].values, data["used"].values.astype(bool)
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.add_subplot(yscale="log")
    positive = errors > 0
    axes.plot(n[used], errors[used], "o", color=themes.colour(0), label="error")
    left = ~used & positive
    if left.any():
        axes.plot(n[left], errors[left], "o", color=themes.colour(0), fillstyle="none", label="error, not in the fit")
    rate, beta = float(data["rate"]), float(data["beta"])
    if np.isfinite(rate) and used.any():
        fine = np.linspace(n[used].min(), n[used].max(), 200)
        exponent = "n" if abs(beta - 1) < 0.005 else f"n^{beta:.2f}"
        law = float(data["coefficient"]) * np.exp(-rate * fine**beta)
        axes.plot(fine, law, color=themes.colour(1), label=f"C exp(-{rate:.3g} {exponent})", zorder=1)
        p = float(data["algebraic_order"])
        power = float(data["algebraic_coefficient"]) * fine**-p
        axes.plot(fine, power, "--", color=themes.muted(), label=f"C n^-{p:.1f}", zorder=0)
    floor = float(data["floor"])
    if floor > 0:
        axes.axhline(floor, color=themes.muted(), linestyle=":", linewidth=1.0, label=f"floor {floor:.1e}")
    axes.set_xlabel("points n")
    axes.set_ylabel("error")
    axes.set_title(f"{result.status.name}, rate {rate:.3g}" if np.isfinite(rate) else result.status.name)
    axes.legend(loc="upper right")
    return figure
