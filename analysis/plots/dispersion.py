"""The picture of a dispersion relation: growth rates over k, growing bands shaded, the modes of the grid as points."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fieldsolver import themes

from .sentence import draw_sentence

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fieldsolver.results import AnalysisResult

COLUMNS = 4
"""Panels beside each other; more go below."""


def draw_dispersion(result: AnalysisResult) -> Figure:
    """A panel for each steady state: branches as lines, frequencies thin, band edges shaded, grid modes as points."""
    from matplotlib.figure import Figure

    data = result.dataset
    if "growth_rate_re" not in data:
        return draw_sentence(result)
    states = data if "steady_state" in data.dims else data.expand_dims("steady_state")
    count = states.sizes["steady_state"]
    rows = math.ceil(count / COLUMNS)
    columns = math.ceil(count / rows)
    width = 6.4 if count == 1 else 3.4 * columns + 0.8
    figure = Figure(figsize=(width, 3.8 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    for position, axes in enumerate(panels.flat):
        if position < count:
            _panel(axes, states.isel(steady_state=position), first=position == 0)
        else:
            axes.remove()
    for row in panels:
        row[0].set_ylabel("growth rate (1/time)")
    return figure


def _panel(axes: Axes, data: xarray.Dataset, *, first: bool) -> None:
    k, real, imaginary = data["k"].values, data["growth_rate_re"].values, np.abs(data["growth_rate_im"].values)
    axes.axhline(0, color=themes.muted(), lw=0.8, zorder=0)
    low, high = _limits(real, data)
    for position in range(int(data["n_bands"])):
        start, end = float(data["band_lo"][position]), float(data["band_hi"][position])
        end = k[-1] if not math.isfinite(end) else end
        axes.axvspan(start, end, color=themes.colour(1), alpha=0.13, lw=0, label="growing" if position == 0 else None)
    for branch in range(min(real.shape[1], 4)):
        axes.plot(
            k,
            real[:, branch],
            color=themes.colour(0),
            lw=1.8 if branch == 0 else 0.9,
            alpha=1 if branch == 0 else 0.6,
            label="growth, fastest branch" if branch == 0 else "other branches" if branch == 1 else None,
        )
    _modes(axes, data, k[-1])
    _peaks(axes, data)
    if imaginary.max() > 1e-9:
        twin = axes.twinx()
        twin.plot(k, np.where(imaginary[:, 0] > 0, imaginary[:, 0], math.nan), color=themes.colour(2), lw=1.0, ls=":")
        twin.set_ylabel("frequency (1/time)", color=themes.colour(2))
        twin.tick_params(axis="y", colors=themes.colour(2))
        twin.spines["right"].set_visible(True)
        axes.plot([], [], color=themes.colour(2), lw=1.0, ls=":", label="frequency (right)")
    axes.set(
        xlim=(0, _end(k, real[:, 0], low, data)),
        ylim=(low, high),
        xlabel="wave number k (1/length)",
        title=_title(data),
    )
    axes.title.set_fontsize("medium")
    if first:
        axes.legend(fontsize="x-small", loc="best")


def _limits(real: np.ndarray, data: xarray.Dataset) -> tuple[float, float]:
    """The growing part and as much again below it; strong damping is cut off."""
    top, bottom = float(real[:, 0].max()), float(real[:, 0].min())
    peak = float(
        np.nanmax(np.where(np.isfinite(data["sigma_max"].values), data["sigma_max"].values, -np.inf), initial=top)
    )
    top = max(top, peak)
    size = top if top > 0 else abs(float(real[0, 0])) or abs(bottom)
    low = max(bottom, -1.5 * size) if size else bottom
    span = (top - low) or 1.0
    return low - 0.05 * span, top + 0.12 * span


def _end(k: np.ndarray, fastest: np.ndarray, low: float, data: xarray.Dataset) -> float:
    """Where the fastest branch leaves the picture; not before the end of the bands."""
    inside = k[fastest >= low]
    edges = data["band_hi"].values[np.isfinite(data["band_hi"].values)]
    return min(float(k[-1]), 1.05 * max([*edges, inside[-1] if len(inside) else k[-1]]))


def _modes(axes: Axes, data: xarray.Dataset, end: float) -> None:
    k, rate = data["mode_k"].values, data["mode_growth"].values
    shown = np.isfinite(k) & (k <= end)
    if shown.any():
        axes.plot(k[shown], rate[shown], "o", ms=3, color=themes.colour(1), label="modes of the grid", zorder=3)


def _peaks(axes: Axes, data: xarray.Dataset) -> None:
    for position in range(int(data["n_bands"])):
        where, height = float(data["k_max"][position]), float(data["sigma_max"][position])
        if math.isfinite(where) and math.isfinite(height):
            axes.plot([where], [height], "*", ms=9, color=themes.ink(), clip_on=False, zorder=4)


def _title(data: xarray.Dataset) -> str:
    state = ", ".join(f"{value:.4g}" for value in data["state_re"].values[:3])
    more = ", ..." if data.sizes["wave"] > 3 else ""
    return f"({state}{more}): {data['regime'].item()}"
