"""The picture of an energy study: the energy, its relative drift, and the budget by terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldsolver import themes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fieldsolver.results import AnalysisResult


def draw_energy(result: AnalysisResult) -> Figure:
    """Energy and drift of all samples; the budget of the first one."""
    from matplotlib.figure import Figure

    data = result.dataset
    samples = data if "batch" in data.dims else data.expand_dims("batch")
    time = samples["time"].values
    figure = Figure(figsize=(7, 8), layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, sharex=True)
    for sample in range(samples.sizes["batch"]):
        top.plot(time, samples["energy"].isel(batch=sample), **themes.line(sample))
        middle.plot(time, samples["drift_rel"].isel(batch=sample), **themes.line(sample))
    top.set_ylabel("energy")
    top.set_title(f"{result.status.name}: integral of {data.attrs['density']}", wrap=True)
    middle.set_ylabel("relative drift")
    first = samples.isel(batch=0)
    for position, term in enumerate(first["term"].values):
        bottom.plot(time, first["budget"].sel(term=term), label=str(term), **themes.line(position))
    bottom.plot(time, first["rate"], color=themes.ink(), linewidth=0.8, label="dE/dt")
    bottom.set_ylabel("budget" if samples.sizes["batch"] == 1 else "budget of the first sample")
    bottom.set_xlabel("time")
    bottom.legend(fontsize="small")
    return figure
