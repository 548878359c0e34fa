"""Snapshots of a field: channels over tokens, or the plane, at a few times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from fieldsolver.errors import StateError
from fieldsolver.themes import drawn_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LONGEST_LABELLED = 24
DIVERGING = "RdBu_r"


def field_snapshots(
    t: Tensor, values: Tensor, *, moments: int = 4, words: Sequence[str] = (), theme: str = "light"
) -> Figure:
    """One picture per moment, in one scale of colours.

    Args:
        t: times, (T,).
        values: one text, (T, C, N); or in the plane (T, C, H, W), of which the root mean square over C is shown.
        moments: how many pictures, evenly over the saves.
        words: the tokens, for a line of at most `LONGEST_LABELLED`.
        theme: ``"light"`` or ``"dark"``.

    Raises:
        StateError: values of another shape.
    """
    from matplotlib.figure import Figure

    shown = as_pictures(values)
    chosen = np.unique(np.linspace(0, len(t) - 1, moments).round().astype(int))
    with drawn_in(theme):
        figure = Figure(figsize=(2.7 * len(chosen) + 0.8, 3.4), layout="constrained")
        panels = np.atleast_1d(figure.subplots(1, len(chosen), sharey=True))
        limits = colour_limits(shown)
        for axes, index in zip(panels, chosen, strict=True):
            image = axes.imshow(shown[index], **limits, aspect="auto" if values.dim() == 3 else "equal")
            axes.set_title(f"t = {float(t[index]):.3g}")
            _label(axes, words if values.dim() == 3 else (), plane=values.dim() == 4)
        panels[0].set_ylabel("y" if values.dim() == 4 else "channel")
        figure.colorbar(image, ax=panels, shrink=0.85, label="root mean square" if values.dim() == 4 else "$\\phi$")
    return figure


def as_pictures(values: Tensor) -> np.ndarray:
    """(T, rows, columns): channels over tokens of a line, or the root mean square in the plane, y upwards.

    Raises:
        StateError: neither (T, C, N) nor (T, C, H, W).
    """
    given = values.detach().cpu().double()
    if given.dim() == 3:
        return given.numpy()
    if given.dim() == 4:
        return given.square().mean(1).sqrt().transpose(1, 2).flip(1).numpy()
    raise StateError(f"a field of one text is (T, C, N) or (T, C, H, W), got {tuple(values.shape)}; choose a sample")


def colour_limits(shown: np.ndarray) -> dict[str, object]:
    """Zero in the middle of a diverging scale where there are both signs; from the least to the most otherwise."""
    low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
    if low < 0 < high:
        most = max(-low, high)
        return {"vmin": -most, "vmax": most, "cmap": DIVERGING, "interpolation": "nearest"}
    return {"vmin": low, "vmax": high, "cmap": "viridis", "interpolation": "nearest"}


def _label(axes: Axes, words: Sequence[str], *, plane: bool) -> None:
    if words and len(words) <= LONGEST_LABELLED:
        axes.set_xticks(range(len(words)), words, rotation=90, fontsize="x-small")
    else:
        axes.set_xlabel("x" if plane else "token")
