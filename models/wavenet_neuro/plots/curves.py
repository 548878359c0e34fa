"""Curves over time: the energy, and how fast the field still changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fieldsolver.errors import OptionError, StateError
from fieldsolver.themes import drawn_in, ink, line, muted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CURVES = 6


def change_rate(t: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Root mean square of ``dphi/dt`` between saves, per text: times (T - 1,) in the middle, and rates (T - 1, B).

    Args:
        t: times, (T,).
        values: (T, B, ...).

    Raises:
        StateError: fewer than two times, or another number of values.
    """
    if len(t) < 2 or len(t) != len(values):
        raise StateError(
            f"a rate of change takes values at two times or more, got {len(t)} times, {len(values)} values"
        )
    steps = t.diff().to(values)
    increments = values.detach().diff(dim=0).flatten(2)
    return (t[1:] + t[:-1]) / 2, increments.square().mean(-1).sqrt() / steps[:, None]


def residual_curve(t: Tensor, residual: Tensor, *, threshold: float | None = None, theme: str = "light") -> Figure:
    """How fast the field changes, on a logarithmic axis, with the threshold below which it counts as at rest.

    Args:
        t: times, (T,).
        residual: norms of the right-hand side, (T,) or (T, B), at least zero; the first few texts are drawn.
        threshold: tolerance of the stop; None: no line.
        theme: ``"light"`` or ``"dark"``.

    Raises:
        StateError: shapes that do not fit, or negative norms.
        OptionError: a threshold that is not positive.
    """
    if threshold is not None and not threshold > 0:
        raise OptionError(f"the threshold on a logarithmic axis is positive, got {threshold:g}")
    if bool((residual < 0).any()):
        raise StateError("norms are at least zero; pass the norm of the right-hand side")
    with drawn_in(theme):
        figure, axes = _axes(t, residual, "rms of $d\\phi/dt$")
        axes.set_yscale("log")
        if threshold is not None:
            axes.axhline(threshold, color=ink(), lw=0.9, ls=":")
            axes.annotate(
                f"at rest below {threshold:.3g}", (1, threshold), xycoords=("axes fraction", "data"), ha="right",
                va="bottom", fontsize="small", xytext=(0, 2), textcoords="offset points",
            )  # fmt: skip
    return figure


def energy_curve(t: Tensor, energy: Tensor, *, theme: str = "light") -> Figure:
    """The energy over time, and every rise in it marked: a gradient flow has none.

    Args:
        t: times, (T,).
        energy: (T,) or (T, B); the first few texts are drawn.
        theme: ``"light"`` or ``"dark"``.

    Raises:
        StateError: shapes that do not fit.
    """
    with drawn_in(theme):
        figure, axes = _axes(t, energy, "energy")
        columns = _columns(energy)[:, :MOST_CURVES]
        slack = 1e-9 * (columns.amax() - columns.amin())
        rises = columns.diff(dim=0) > slack
        times = t.detach().cpu()[1:]
        for number, rose in enumerate(rises.unbind(1)):
            axes.plot(times[rose], columns[1:, number][rose], ls="", marker="^", color=ink(), markersize=5)
        count = int(rises.sum())
        axes.set_title("never rises" if count == 0 else f"rises {count} times (marked)", fontsize="medium")
    return figure


def _axes(t: Tensor, values: Tensor, label: str) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    columns = _columns(values)
    if len(columns) != len(t):
        raise StateError(f"got {len(t)} times and {len(columns)} values; one value per time")
    figure = Figure(figsize=(6.0, 3.4), layout="constrained")
    axes = figure.subplots()
    for number, column in enumerate(columns.unbind(1)[:MOST_CURVES]):
        axes.plot(t.detach().cpu(), column, label=f"text {number}", **line(number))  # type: ignore[arg-type]  # colour and dash
    axes.set_xlabel("t")
    axes.set_ylabel(label)
    axes.grid(color=muted(), alpha=0.3, lw=0.6)
    if columns.shape[1] > 1:
        axes.legend(fontsize="small")
    return figure, axes


def _columns(values: Tensor) -> Tensor:
    values = values.detach().cpu().double()
    if values.dim() not in (1, 2):
        raise StateError(f"one number per time, or per time and text, got the shape {tuple(values.shape)}")
    return values if values.dim() == 2 else torch.unsqueeze(values, 1)
