"""Ticks of a logarithmic axis that may span less than a decade, where the usual ones are hardly readable."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axis import Axis

DECADES = 1.5
"""Up to so many are ticked in steps of their own, as on a linear axis; beyond, powers of ten are enough."""

TICKS = 4


def tidy_log(axis: Axis) -> None:
    """Label a few round numbers; call it when the data are drawn."""
    from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter, NullLocator

    low, high = sorted(axis.get_view_interval())
    if not (low > 0 and math.isfinite(high)):
        return
    if math.log10(high / low) > DECADES:
        axis.set_minor_formatter(NullFormatter())
        return
    ticks = [float(tick) for tick in MaxNLocator(TICKS).tick_values(low, high) if low <= tick <= high]
    if math.log10(high / low) > DECADES / 2:
        power = 10.0 ** math.floor(math.log10(low))
        rounds = [digit * power * 10**k for k in range(3) for digit in (1, 2, 5)]
        ticks = [tick for tick in rounds if low <= tick <= high] or ticks
    digits = _digits(np.array(ticks))
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:.{digits}g}")


def _digits(ticks: np.ndarray) -> int:
    """Significant digits that tell neighbours apart."""
    if len(ticks) < 2:
        return 3
    ratio = np.abs(ticks).max() / np.abs(np.diff(ticks)).min()
    return max(3, math.ceil(math.log10(ratio)) + 1)
