"""The picture of a spreading speed: the edge of the front in the frame that moves with it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fieldsolver import themes

from .sentence import draw_sentence

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fieldsolver.results import AnalysisResult


def draw_spreading_speed(result: AnalysisResult) -> Figure:
    """``exp(-decay x) cos(wave_number x)``, the shape that the linear theory gives to the front's edge."""
    from matplotlib.figure import Figure

    speed, decay, k = (float(result[name]) for name in ("speed", "decay", "wave_number"))
    if not (math.isfinite(speed) and decay > 0):
        return draw_sentence(result)
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.add_subplot()
    x = np.linspace(0, 6 / decay, 400)
    axes.plot(x, np.exp(-decay * x) * np.cos(k * x), color=themes.colour(0), label="edge of the front")
    axes.plot(x, np.exp(-decay * x), "--", color=themes.muted(), label=f"exp(-{decay:.4g} x)")
    axes.set(xlabel="x - v t", ylabel="disturbance", title=_title(result, speed))
    axes.legend(fontsize="small")
    return figure


def _title(result: AnalysisResult, speed: float) -> str:
    bound = float(result["bound"])
    return f"pulled front: speed {speed:.5g}" if result.status.name == "PASS" else f"speed {speed:.5g} to {bound:.5g}"
