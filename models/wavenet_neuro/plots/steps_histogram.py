"""How many right-hand sides the texts took, those answered right beside those answered wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from fieldsolver.errors import StateError
from fieldsolver.themes import colour, drawn_in, ink

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_BINS = 30


def steps_histogram(evaluations: Tensor, right: Tensor | None = None, *, theme: str = "light") -> Figure:
    """A histogram of evaluations per text with the mean of each group.

    Args:
        evaluations: (B,).
        right: bool (B,), whether the answer was right; None: one group.
        theme: ``"light"`` or ``"dark"``.

    Raises:
        StateError: no text, or groups of another number of texts.
    """
    from matplotlib.figure import Figure

    counts = evaluations.detach().cpu().double().numpy()
    if counts.ndim != 1 or not len(counts):
        raise StateError(f"evaluations are (B,) with at least one text, got the shape {counts.shape}")
    groups = {"": counts}
    if right is not None:
        chosen = right.detach().cpu().numpy().astype(bool)
        if chosen.shape != counts.shape:
            raise StateError(f"right is {chosen.shape} and evaluations are {counts.shape}; one entry per text in both")
        groups = {"right": counts[chosen], "wrong": counts[~chosen]}
    with drawn_in(theme):
        figure = Figure(figsize=(6.0, 3.4), layout="constrained")
        axes = figure.subplots()
        edges = _edges(counts).tolist()
        for number, (label, group) in enumerate(groups.items()):
            if not len(group):
                continue
            shown = f"{label + ': ' if label else ''}{len(group)} texts, mean {group.mean():.1f}"
            share = np.full(len(group), 1 / len(group))
            if number:
                axes.hist(group, edges, weights=share, histtype="step", color=colour(number), lw=1.8, label=shown)
            else:
                axes.hist(group, edges, weights=share, color=colour(number), alpha=0.55, label=shown)
            axes.axvline(group.mean(), color=colour(number) if number else ink(), lw=1.0, ls="--" if number else ":")
        axes.set_xlabel("evaluations of the right-hand side per text")
        axes.set_ylabel("share of the texts")
        axes.legend(fontsize="small")
    return figure


def _edges(counts: np.ndarray) -> np.ndarray:
    low, high = counts.min(), counts.max()
    width = max(1.0, np.ceil((high - low + 1) / MOST_BINS))
    return np.arange(low - width / 2, high + width, width)
