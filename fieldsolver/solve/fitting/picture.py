"""Pictures of fits; matplotlib is imported only when something is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .result import FitResult

CURVE_POINTS = 300


def plot_fit(result: FitResult) -> Figure:
    """See `FitResult.plot`."""
    from matplotlib.figure import Figure

    names = list(result.sigma)
    figure = Figure(figsize=(7.2, 2.6 * len(names)), layout="constrained")
    all_axes = np.atleast_1d(figure.subplots(len(names), 1, sharex=result.equation.layout.dimension == 0))
    draw = _over_time if result.equation.layout.dimension == 0 else _against_data
    draw(result, names, all_axes)
    return figure


def _over_time(result: FitResult, names: list[str], all_axes: Any) -> None:
    observations = result.objective.observations
    t = torch.linspace(result.objective.model.t0, float(observations.t[-1]), CURVE_POINTS, dtype=torch.float64)
    bands = result.predict(t)
    level = f"{100 * result.interval:g} %"
    for axes, name in zip(all_axes, names, strict=True):
        parts = [
            values if values.dim() == 2 else values.unsqueeze(1)
            for values in (bands.fit[name], bands.curve_low[name], bands.curve_high[name], bands.data_low[name],
                           bands.data_high[name], observations.values[name])
        ]  # fmt: skip
        for component in range(parts[0].shape[1]):
            fit, low, high, data_low, data_high, seen = (part[:, component].numpy() for part in parts)
            colour = f"C{component}"
            label = f"{name}[{component}] " if parts[0].shape[1] > 1 else ""
            axes.fill_between(
                t, data_low, data_high, color=colour, alpha=0.15, lw=0, label=f"{label}{level} of new data"
            )
            axes.fill_between(t, low, high, color=colour, alpha=0.3, lw=0, label=f"{label}{level} of the curve")
            axes.plot(t, fit, color=colour, label=f"{label}fit")
            axes.plot(observations.t.numpy(), seen, "o", ms=4, color="black", label=f"{label}data")
        units = observations.units.get(name)
        axes.set_ylabel(name if units is None else f"{name} [{units}]")
        axes.legend(frameon=False, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4)
    all_axes[-1].set_xlabel("t")


def _against_data(result: FitResult, names: list[str], all_axes: Any) -> None:
    for axes, name in zip(all_axes, names, strict=True):
        seen, fitted = result.objective.observations.values[name].numpy(), result.fitted[name].numpy()
        axes.plot(seen.ravel(), fitted.ravel(), ".", ms=3, alpha=0.5)
        axes.axline((float(np.nanmean(seen)),) * 2, slope=1.0, color="black", lw=0.8)
        axes.set_xlabel(f"observed {name}")
        axes.set_ylabel(f"fitted {name}")
