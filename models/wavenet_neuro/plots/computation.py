"""What a field and a transformer compute, over the length of the text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fieldsolver.themes import drawn_in, ink, line, muted

from ..operation_counts import break_even, field_macs, transformer_macs

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def computation_comparison(
    channels: int = 512, *, evaluations: int = 20, layers: int = 12, at: int = 1000, theme: str = "light"
) -> Figure:
    """MACs per text over its length, and their ratio at one length.

    Args:
        channels: of both.
        evaluations: of the field.
        layers: of the transformer.
        at: the length at which the ratio is written.
        theme: ``"light"`` or ``"dark"``.
    """
    from matplotlib.figure import Figure

    lengths = np.unique(np.geomspace(16, 65536, 60).astype(int)).tolist()
    field = [field_macs(n, channels, evaluations=evaluations) for n in lengths]
    transformer = [transformer_macs(n, channels, layers=layers) for n in lengths]
    here = field_macs(at, channels, evaluations=evaluations), transformer_macs(at, channels, layers=layers)
    with drawn_in(theme):
        figure = Figure(figsize=(6.4, 3.8), layout="constrained")
        axes = figure.subplots()
        axes.loglog(lengths, transformer, label=f"transformer, {layers} layers", **line(1))
        axes.loglog(lengths, field, label=f"field, {evaluations} evaluations", **line(0))
        axes.vlines(at, *here, color=ink(), lw=1.2)
        axes.annotate(
            f"{here[1] / here[0]:.1f}x at n = {at}", (at, max(here)), xytext=(-6, 10), textcoords="offset points",
            ha="right", fontsize="small",
        )  # fmt: skip
        even = break_even(channels, evaluations=evaluations, layers=layers)
        if even > lengths[0]:
            axes.axvline(even, color=muted(), lw=0.9, ls=":")
        axes.set_xlabel("tokens n")
        axes.set_ylabel("multiply-adds per text")
        axes.set_title(f"width {channels}", fontsize="medium")
        axes.grid(color=muted(), alpha=0.3, lw=0.6)
        axes.legend(fontsize="small")
    return figure
