"""The pictures of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .outcome import SPECIES, Outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {"hare": "tab:blue", "lynx": "tab:red"}
POINTS = 400


def data_and_fit(outcome: Outcome) -> Figure:
    """Counts, fitted curves and 90 % bands over the years."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, 5.4), layout="constrained")
    all_axes = figure.subplots(2, 1, sharex=True)
    years = _years(outcome)
    bands = outcome.likelihood.predict(years, draws=2000)
    for axes, name in zip(all_axes, SPECIES, strict=True):
        colour = COLOURS[name]
        axes.fill_between(years, bands.data_low[name], bands.data_high[name], color=colour, alpha=0.13, lw=0,
                          label="90 % of new counts")  # fmt: skip
        axes.fill_between(years, bands.curve_low[name], bands.curve_high[name], color=colour, alpha=0.3, lw=0,
                          label="90 % of the curve")  # fmt: skip
        axes.plot(years, bands.fit[name], color=colour, label="fit (maximum likelihood)")
        axes.plot(outcome.pelts.year, getattr(outcome.pelts, name), "o", ms=4, color="black", label="counts")
        axes.set_ylabel(f"{name} pelts [thousands]")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4)
    all_axes[-1].set_xticks(range(1900, 1921, 2))
    all_axes[-1].set_xlabel("year")
    return figure


def phase_plane(outcome: Outcome) -> Figure:
    """The fitted cycle in the plane of both species, with the counts in their order."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 4.8), layout="constrained")
    axes = figure.subplots()
    fit = outcome.likelihood.predict(_years(outcome), draws=2).fit
    pelts, rates = outcome.pelts, outcome.likelihood.estimates
    axes.plot(pelts.hare, pelts.lynx, "-", color="0.75", lw=0.8, zorder=1)
    axes.plot(fit["hare"], fit["lynx"], color="tab:purple", label="fit, 1900 to 1920")
    axes.plot(pelts.hare, pelts.lynx, "o", ms=4, color="black", label="counts")
    axes.plot(rates["gamma"] / rates["delta"], rates["alpha"] / rates["beta"], "+", ms=12, mew=2, color="tab:purple",
              label="equilibrium")  # fmt: skip
    for year in (1900, 1904, 1907, 1913, 1915, 1917):
        place = year - 1900
        axes.annotate(str(year), (pelts.hare[place], pelts.lynx[place]), fontsize="small", xytext=(5, 3),
                      textcoords="offset points")  # fmt: skip
    axes.set_xlim(0, 92)
    axes.set_ylim(0, 66)
    axes.set_xlabel("hare pelts [thousands]")
    axes.set_ylabel("lynx pelts [thousands]")
    axes.legend(frameon=False)
    return figure


def residual_picture(outcome: Outcome) -> Figure:
    """Residuals of the logarithm over the years, with the fitted noise scale."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, 3.2), layout="constrained")
    axes = figure.subplots()
    for shift, (name, residuals) in zip((-0.12, 0.12), outcome.residuals().items(), strict=True):
        lag = outcome.autocorrelations()[name]
        years = outcome.pelts.year + shift
        axes.vlines(years, 0, residuals, color=COLOURS[name], lw=1)
        label = f"{name}, autocorrelation {lag:+.2f}"
        axes.plot(years, residuals, "o", ms=4, color=COLOURS[name], label=label)
    widest = max(outcome.likelihood.sigma.values())
    axes.axhspan(-1.645 * widest, 1.645 * widest, color="0.93", zorder=0, label="90 % of the fitted noise")
    axes.axhline(0, color="black", lw=0.8)
    axes.set_xticks(range(1900, 1921, 2))
    axes.set_xlabel("year")
    axes.set_ylabel("log count - log fit")
    axes.legend(frameon=False, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    return figure


def _years(outcome: Outcome) -> torch.Tensor:
    return torch.linspace(float(outcome.pelts.year[0]), float(outcome.pelts.year[-1]), POINTS, dtype=torch.float64)
