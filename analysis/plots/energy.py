"""The picture of an energy study: the energy, its drift, the budget by terms, and what the time steps did."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldsolver import themes

from .level_ticks import label_levels
from .short_log_axis import tidy_log

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fieldsolver.results import AnalysisResult

TITLE_WIDTH = 110
MOST_SAMPLES = 12


def draw_energy(result: AnalysisResult) -> Figure:
    """Four panels; the budget is that of the first sample. Results of `EnergyProbe` have two, over the calls."""
    from matplotlib.figure import Figure

    data = result.dataset
    if "call" in data.dims:
        return _draw_calls(result)
    samples = data if "batch" in data.dims else data.expand_dims("batch")
    figure = Figure(figsize=(10, 7.4), layout="constrained")
    axes = figure.subplots(2, 2)
    _energy(axes[0, 0], samples)
    _budget(axes[0, 1], samples.isel(batch=0), "time")
    _work(axes[1, 0], samples.isel(batch=0))
    _steps(axes[1, 1], samples.isel(batch=0))
    _terms(figure, axes[0, 1])
    figure.suptitle(_title(result), fontsize="medium")
    return figure


def _draw_calls(result: AnalysisResult) -> Figure:
    from matplotlib.figure import Figure

    data = result.dataset
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(data["call"], data["energy_start"], label="before the call", **_style(1))
    left.plot(data["call"], data["energy"], label="after the call", **_style(0))
    left.set(xlabel="call", ylabel="energy, mean over samples")
    left.legend(fontsize="small")
    _budget(right, data, "call")
    _terms(figure, right)
    figure.suptitle(_title(result), fontsize="medium")
    return figure


def _terms(figure: Figure, axes: Axes) -> None:
    """One legend of the terms below all panels, which share their lines."""
    lines, labels = axes.get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=2 if len(labels) > 3 else 3, fontsize="small")


def _title(result: AnalysisResult) -> str:
    return textwrap.fill(f"{result.status.name}: {result.reason}", TITLE_WIDTH)


def _energy(axes: Axes, samples: xarray.Dataset) -> None:
    for sample in range(min(samples.sizes["batch"], MOST_SAMPLES)):
        axes.plot(samples["time"], samples["drift_rel"].isel(batch=sample), **_style(sample))
    first = samples.isel(batch=0)
    slope = float(first["drift_slope"])
    if np.isfinite(float(first["drift_slope_lo"])) and samples.attrs.get("expect") == "conserved":
        time = first["time"].values
        middle = float(first["drift_rel"].mean()) + slope * (time - time.mean())
        axes.plot(time, middle, color=themes.ink(), linewidth=0.9, label=f"drift {slope:.2g} per unit time")
        axes.legend(fontsize="small")
    axes.set(xlabel="time", ylabel="(E - E(0)) / size at the start", title="relative change of the energy")


def _budget(axes: Axes, data: xarray.Dataset, along: str) -> None:
    for position, term in enumerate(data["term"].values):
        label = str(term) if "role" not in data.coords else f"{term} ({data['role'].values[position]})"
        axes.plot(data[along], data["budget"].isel(term=position), label=_short(label), **_style(position))
    if "boundary_flux" in data:
        through = data["boundary_flux"].sum("term")
        if float(np.abs(np.nan_to_num(through.values)).max(initial=0.0)) > 0:
            axes.plot(data[along], through, color=themes.muted(), linestyle=":", label="of it through the walls")
    axes.plot(data[along], data["rate"], color=themes.ink(), linewidth=0.9, label="all: dE/dt, E - E(0)")
    axes.set(xlabel=along, ylabel="dE/dt by term", title="budget")


def _work(axes: Axes, data: xarray.Dataset) -> None:
    time = data["time"]
    axes.set(xlabel="time", ylabel="energy since the start", title="where the energy went")
    if not np.isfinite(data["work"].values).any():
        _note(axes, f"the steps were not followed:\n{data.attrs.get('steps_not_followed', '')}")
        return
    for position in range(data.sizes["term"]):
        axes.plot(time, data["work"].isel(term=position), **_style(position))
    axes.plot(time, data["energy"] - data["energy"].isel(time=0), color=themes.ink(), linewidth=0.9)
    steps = data["numerical"]
    largest = float(np.abs(steps).max())
    axes.plot(time, steps, color=themes.muted(), linestyle="--", label=f"time steps (up to {largest:.1g})")
    axes.margins(y=0.14)
    axes.legend(fontsize="small", loc="upper right")


def _steps(axes: Axes, data: xarray.Dataset) -> None:
    """Of the three pictures of the steps the one that tells most."""
    if "closure_error" in data:
        _closure(axes, data)
    elif "mode" in data.dims:
        _modes(axes, data)
    elif "transfer" in data:
        _scales(axes, data)
    else:
        _numerical(axes, data)


def _closure(axes: Axes, data: xarray.Dataset) -> None:
    dt, error = data["closure_dt"].values, data["closure_error"].values
    axes.loglog(dt, error, "o", color=themes.colour(0), label="largest energy added")
    order = float(data["closure_order"])
    if np.isfinite(order) and np.isfinite(error[-1]) and error[-1] > 0:
        interval = f"[{float(data['closure_order_lo']):.2f}, {float(data['closure_order_hi']):.2f}]"
        law = error[-1] * (dt / dt[-1]) ** order
        axes.loglog(dt, law, color=themes.colour(1), label=f"order {order:.2f} {interval}")
    label_levels(axes.xaxis, dt)
    tidy_log(axes.yaxis)
    axes.set(xlabel="dt", ylabel="energy", title="what the steps add, over their size")
    axes.legend(fontsize="small")


def _modes(axes: Axes, data: xarray.Dataset) -> None:
    frequency = np.abs(data["mode_rate_im"].values)
    predicted, measured = data["predicted_growth_per_step"].values, data["measured_growth_per_step"].values
    axes.plot(frequency, np.abs(predicted), "o", fillstyle="none", color=themes.colour(0), label="predicted")
    axes.plot(frequency, np.abs(measured), "x", color=themes.colour(1), label="measured")
    axes.set_yscale("log")
    if frequency.min(initial=np.inf) > 0 and len(frequency) > 1:
        axes.set_xscale("log")
        tidy_log(axes.xaxis)
    tidy_log(axes.yaxis)
    gain = "gain" if float(np.nansum(predicted)) > 0 else "loss"
    axes.set(
        xlabel="frequency of the mode", ylabel=f"relative {gain} per step", title="energy of the modes, by the steps"
    )
    axes.legend(fontsize="small")


def _scales(axes: Axes, data: xarray.Dataset) -> None:
    k = data["k"].values[1:]
    for position in range(data.sizes["term"]):
        axes.plot(k, data["transfer"].isel(term=position, time=-1)[1:], **_style(position))
    axes.plot(k, data["flux"].isel(time=-1)[1:], color=themes.ink(), linewidth=0.9, label="flux beyond k")
    axes.set_xscale("log")
    axes.set(xlabel="wave number k", ylabel="power", title="transfer by scale, at the end")
    axes.legend(fontsize="small")


def _numerical(axes: Axes, data: xarray.Dataset) -> None:
    values = data["numerical"].values
    axes.set(xlabel="time", ylabel="energy", title="what the time steps added")
    if np.isfinite(values).any():
        axes.plot(data["time"], values, color=themes.colour(0))
    else:
        _note(axes, "the steps were not followed")


def _note(axes: Axes, text: str) -> None:
    settings: dict[str, Any] = {"ha": "center", "va": "center", "transform": axes.transAxes, "color": themes.muted()}
    axes.text(0.5, 0.5, text, **settings)


def _short(label: str) -> str:
    return label if len(label) <= 48 else label[:45] + "..."


def _style(position: int) -> dict[str, Any]:
    return dict(themes.line(position))
