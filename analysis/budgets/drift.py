"""Does a conserved quantity drift, or does it only oscillate? A slope with an error bar that knows the difference.

Neighbouring values of an oscillating energy are not independent, and an ordinary regression would call any
oscillation a drift. As in the method of batch means, times are cut into blocks and the line goes through the block
means, which are nearly independent when a block holds a period or more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..orders.models import Floats

BLOCKS = 10
FEWEST_TIMES = 8
"""Fewer saved times make no blocks; the slope is then given without an interval."""


@dataclass(frozen=True)
class Drift:
    """Linear drift per unit time, with a confidence interval (NaN ends when there are too few times)."""

    slope: float
    lo: float
    hi: float

    @property
    def is_secular(self) -> bool:
        """Whether the interval excludes zero."""
        return self.lo > 0 or self.hi < 0


def linear_drift(t: Floats, values: Floats, confidence: float) -> Drift:
    """Slope of a line through the block means of `values` over `t`."""
    if len(t) < 2 or not np.isfinite(values).all():
        return Drift(math.nan, math.nan, math.nan)
    count = min(BLOCKS, len(t) // 2)
    if len(t) < FEWEST_TIMES:
        return Drift(_line(t, values)[0], math.nan, math.nan)
    times = np.array([block.mean() for block in np.array_split(t, count)])
    means = np.array([block.mean() for block in np.array_split(values, count)])
    slope, error = _line(times, means)
    from scipy.special import stdtrit

    half = float(stdtrit(count - 2, 0.5 + confidence / 2)) * error
    return Drift(slope, slope - half, slope + half)


def _line(t: Floats, values: Floats) -> tuple[float, float]:
    """Slope and its standard error (NaN without a degree of freedom)."""
    centred = t - t.mean()
    spread = float(centred @ centred)
    slope = float(centred @ values) / spread
    rest = values - values.mean() - slope * centred
    freedom = len(t) - 2
    return slope, math.sqrt(float(rest @ rest) / freedom / spread) if freedom > 0 else math.nan
