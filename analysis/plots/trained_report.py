"""The picture of a trained layer: where it goes, its spectrum at the end, how disturbances grow, and the checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fieldsolver import themes

from ..trained.rest import SLOW
from .short_log_axis import tidy_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fieldsolver.results import AnalysisResult

MARKS = {"pass": ("✓", 2), "proved": ("✓", 2), "fail": ("✗", 1), "not applicable": ("–", None)}
"""Sign and colour of a verdict; all others are a question mark."""


def draw_trained_report(result: AnalysisResult) -> Figure:
    """Two by two panels; of a layer that did not run the checks alone."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7.2), layout="constrained")
    if "speed" not in result.dataset:
        _checks(figure.subplots(), result)
        return figure
    (top_left, top_right), (bottom_left, bottom_right) = figure.subplots(2, 2)
    _going_on(top_left, result)
    _spectrum(top_right, result)
    _gains(bottom_left, result)
    _checks(bottom_right, result)
    figure.suptitle(f"{result.status.name}: {result.dataset.attrs['layer']}, {_steps(result)}")
    return figure


def _steps(result: AnalysisResult) -> str:
    attributes = result.dataset.attrs
    steps = "adaptive steps" if np.isnan(attributes["dt"]) else f"dt = {attributes['dt']:g}"
    return f"{attributes['method']}, {steps}"


def _going_on(axes: Axes, result: AnalysisResult) -> None:
    time, speed = result["later"].values, result["speed"].values
    for position in range(speed.shape[1]):
        axes.plot(time, np.where(speed[:, position] > 0, speed[:, position], np.nan), color=themes.colour(0), alpha=0.6)
    axes.axvline(result.dataset.attrs["duration"], color=themes.ink(), linewidth=0.8, linestyle="--")
    axes.axhline(SLOW, color=themes.muted(), linewidth=0.8, linestyle=":")
    axes.annotate("end of the run", (result.dataset.attrs["duration"], 1.0), xycoords=("data", "axes fraction"),
                  xytext=(4, -4), textcoords="offset points", va="top", fontsize="small")  # fmt: skip
    axes.annotate("at rest below", (1.0, SLOW), xycoords=("axes fraction", "data"), xytext=(-2, 2),
                  textcoords="offset points", ha="right", fontsize="small")  # fmt: skip
    axes.set(yscale="log", xlabel="time", ylabel="relative change per duration")
    tidy_log(axes.yaxis)
    axes.set_title("does it come to rest?", fontsize="medium")


def _spectrum(axes: Axes, result: AnalysisResult) -> None:
    axes.axvline(0.0, color=themes.muted(), linewidth=0.8)
    for position in range(result["eig_re"].shape[0]):
        axes.plot(result["eig_re"][position], result["eig_im"][position], "o", ms=4, alpha=0.7,
                  color=themes.colour(position))  # fmt: skip
    axes.set(xlabel="real part  [1/time]", ylabel="imaginary part  [1/time]")
    axes.set_title("eigenvalues at the end", fontsize="medium")
    if not np.isnan(result.dataset.attrs["dt"]):
        _region(axes, result)


def _region(axes: Axes, result: AnalysisResult) -> None:
    """The boundary of stability of the layer's own step, where it is near enough to be seen."""
    from ..schemes import get_scheme

    scheme, dt = get_scheme(result.dataset.attrs["method"]), result.dataset.attrs["dt"]
    left = 1.15 * min(float(np.nanmin(result["eig_re"])) * dt, -scheme.facts().get("real_interval", 2.0))
    top = 1.15 * max(
        float(np.nanmax(np.abs(result["eig_im"]))) * dt, scheme.facts().get("imaginary_interval", 2.0), 1.5
    )
    right = max(float(np.nanmax(result["eig_re"])) * dt, 0.1 * abs(left))
    x, y = np.meshgrid(np.linspace(left, 1.15 * right, 121), np.linspace(-top, top, 121))
    growth = scheme.growth(x + 1j * y)
    axes.contour(x / dt, y / dt, growth, levels=[1.0], colors=[themes.ink()], linewidths=1.0)
    axes.annotate(f"stable for dt = {dt:g} inside", (0.02, 0.02), xycoords="axes fraction", fontsize="small")


def _gains(axes: Axes, result: AnalysisResult) -> None:
    time, labelled = result["time"].values, set()
    curves = (("gain_largest", "largest gain of dy(t)/dy(0)"), ("gain_rms", "in a random direction"),
              ("gain_smallest", "smallest"), ("adjoint_norm", "dL/dy(t) over dL/dy(T)"))  # fmt: skip
    for position, (name, label) in enumerate(curves):
        for row in result[name].values.T[:4]:
            if not (row > 0).any():
                continue
            style = themes.line(position)
            axes.plot(
                time, np.where(row > 0, row, np.nan), alpha=0.8, color=style["color"], linestyle=style["linestyle"]
            )
            axes.lines[-1].set_label("_" if label in labelled else label)
            labelled.add(label)
    axes.axhline(1.0, color=themes.muted(), linewidth=0.8)
    axes.set(yscale="log", xlabel="time", ylabel="gain")
    tidy_log(axes.yaxis)
    axes.set_title("how disturbances and gradients grow", fontsize="medium")
    axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2)


def _checks(axes: Axes, result: AnalysisResult) -> None:
    axes.set_axis_off()
    axes.set_title("checks", fontsize="medium")
    names, verdicts = result["check"].values, result["check_verdict"].values
    for row, (name, verdict) in enumerate(zip(names, verdicts, strict=True)):
        sign, position = MARKS.get(str(verdict), ("?", 4))
        colour = themes.muted() if position is None else themes.colour(position)
        height = 1 - (row + 0.5) / len(names)
        axes.text(0.04, height, sign, color=colour, fontsize="x-large", va="center", transform=axes.transAxes)
        axes.text(0.14, height, str(name), va="center", transform=axes.transAxes)
        axes.text(0.62, height, str(verdict), color=colour, va="center", transform=axes.transAxes)
