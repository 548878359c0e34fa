"""Ticks of a logarithmic axis at the levels of a ladder; its own labels overlap on less than a decade or two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axis import Axis

MOST = 6


def label_levels(axis: Axis, values: np.ndarray) -> None:
    """Label up to six of the levels, the finest among them."""
    from matplotlib.ticker import FixedLocator, NullLocator

    ladder = np.sort(values)
    shown = ladder[:: int(np.ceil(len(ladder) / MOST))]
    axis.set_major_locator(FixedLocator(shown.tolist()))
    axis.set_major_formatter(lambda value, _: f"{value:.3g}")
    axis.set_minor_locator(NullLocator())
