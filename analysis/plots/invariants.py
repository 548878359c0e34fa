"""The picture of an invariants study: the singular values with their gap, and the invariant or the defects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fieldsolver import themes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fieldsolver.results import AnalysisResult

FLOOR = 1e-18


def draw_invariants(result: AnalysisResult) -> Figure:
    """Left: how far the system is from each structure, or the singular values. Right: the quantity itself, or rates."""
    from matplotlib.figure import Figure

    data = result.dataset
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    if data.sizes["singular"]:
        _draw_gap(left, result)
    else:
        _draw_structures(left, result)
    if "asked_rate" in data:
        _draw_asked(right, result)
    elif "contour" in data:
        _draw_contours(right, result)
    elif data.sizes["invariant"]:
        _draw_defects(right, result)
    else:
        _draw_structures(right, result)
    figure.suptitle(f"{result.status.name}: {_short(_finding(result), 100)}")
    return figure


def _finding(result: AnalysisResult) -> str:
    data = result.dataset
    if "asked_rate" in data:
        return result.reason
    if not data.sizes["invariant"]:
        return "no conserved or decreasing quantity"
    names = [f"{e} ({k})" for e, k in zip(data["expression"].values, data["kind"].values, strict=True)]
    return "; ".join(map(str, names))


def _draw_gap(axes: Axes, result: AnalysisResult) -> None:
    from matplotlib.ticker import MaxNLocator

    values = np.maximum(result["singular_value"].values, FLOOR)
    threshold = float(result["singular_value"].attrs["threshold"])
    zero = values <= threshold
    number = np.arange(1, len(values) + 1)
    axes.semilogy(number[~zero], values[~zero], "o", color=themes.colour(0), label="changes")
    if zero.any():
        axes.semilogy(number[zero], values[zero], "D", color=themes.colour(1), label="does not change")
    axes.axhline(threshold, color=themes.muted(), linestyle="--", label="counts as zero")
    axes.set_xlabel("combination of the library")
    axes.set_ylabel("relative singular value")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(f"{result.dataset.attrs['family']}: gap {float(result['null_gap']):.1e}", fontsize="medium")
    axes.legend(fontsize="small")


def _draw_contours(axes: Axes, result: AnalysisResult) -> None:
    data = result.dataset
    first, second, values = data["first"].values, data["second"].values, data["contour"].values
    finite = values[np.isfinite(values)]
    levels = np.unique(np.quantile(finite, np.linspace(0.02, 0.9, 12)))
    axes.contour(first, second, values.T, levels=levels, colors=[themes.colour(0)], linewidths=1.0, linestyles="solid")
    rates = data["flow"].values
    axes.streamplot(
        first, second, rates[0].T, rates[1].T, color=themes.muted(), linewidth=0.6, density=0.6, arrowsize=0.8
    )
    axes.set_xlabel(str(data["first"].attrs["long_name"]))
    axes.set_ylabel(str(data["second"].attrs["long_name"]))
    axes.set_xlim(first[0], first[-1])
    axes.set_ylim(second[0], second[-1])
    axes.set_title(f"contours of {_short(str(data['expression'].values[0]), 48)}", fontsize="medium")


def _draw_defects(axes: Axes, result: AnalysisResult) -> None:
    data = result.dataset
    defects = np.maximum(data["defect"].values, FLOOR)
    places = np.arange(len(defects))[::-1]
    for kind, colour in (("conserved", 0), ("decreasing", 1)):
        mine = data["kind"].values == kind
        if mine.any():
            axes.plot(defects[mine], places[mine], "o", color=themes.colour(colour), label=kind)
    axes.set_xscale("log")
    axes.set_xlim(FLOOR / 2, 1)
    axes.axvline(float(data.attrs["round_off"]), color=themes.muted(), linestyle="--", label="round-off")
    axes.set_yticks(places, [_short(str(name), 34) for name in data["expression"].values], fontsize="small")
    axes.set_ylim(-1.0, len(defects) - 0.4)
    axes.set_xlabel("relative rate (growth, if decreasing)")
    axes.legend(fontsize="small", loc="lower right")


def _draw_structures(axes: Axes, result: AnalysisResult) -> None:
    tested = result.dataset.isel(structure=np.isfinite(result["structure_defect"].values))
    defects = np.maximum(tested["structure_defect"].values, FLOOR)
    held = tested["structure_holds"].values.astype(bool)
    places = np.arange(len(defects))[::-1]
    for mine, colour, mark, label in ((held, 2, "D", "holds"), (~held, 1, "o", "does not hold")):
        if mine.any():
            axes.plot(defects[mine], places[mine], mark, color=themes.colour(colour), label=label)
    axes.set_xscale("log")
    axes.set_xlim(FLOOR / 2, 10)
    axes.axvline(float(result.dataset.attrs["round_off"]), color=themes.muted(), linestyle="--", label="round-off")
    axes.set_yticks(places, [str(name) for name in tested["structure"].values], fontsize="small")
    axes.set_ylim(-1.4, len(defects) - 0.4)
    axes.set_xlabel("relative defect at the worst probe")
    axes.legend(fontsize="small", loc="lower center", ncols=3)


def _draw_asked(axes: Axes, result: AnalysisResult) -> None:
    rates = np.sort(result["asked_rate"].values)
    axes.plot(rates, np.linspace(0, 1, len(rates)), color=themes.colour(1), drawstyle="steps-post")
    axes.axvline(0.0, color=themes.muted(), linestyle="--")
    axes.set_xlabel("rate over its size without cancellation")
    axes.set_ylabel("share of the random states below")
    axes.set_title(f"rate of {_short(result.dataset.attrs['expect'], 48)}", fontsize="medium")


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."
