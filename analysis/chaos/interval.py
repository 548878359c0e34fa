"""Intervals for functions of time averages: the jackknife over groups, independent members or stretches of time.

The stretches are long, so that what is left of the correlation of neighbours can be measured and allowed for (batch
means: P. W. Glynn and D. L. Iglehart, Math. Oper. Res. 15, 1 (1990); jackknife: B. Efron, "The Jackknife, the Bootstrap
and Other Resampling Plans" (1982), chapter 3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GROUPS = 20
ENOUGH_MEMBERS = 10
TOGETHER = 2.0
"""Variance of the mean over members, relative to independent ones, beyond which they move together."""
STRONGEST = 0.9
"""Correlation of neighbouring groups beyond which no interval means anything; it is cut there."""


@dataclass(frozen=True)
class Interval:
    """value +- half, entry by entry."""

    value: Floats
    half: Floats


def jackknife(groups: Floats, statistic: Callable[[Floats], Floats], confidence: float, *, ordered: bool) -> Interval:
    """Of ``statistic(mean of the groups)``.

    Args:
        groups: (G, ...), means over independent members, or over stretches of time that follow each other.
        statistic: of a mean (...), gives (m,) numbers.
        confidence: of the interval.
        ordered: the groups are stretches of time, neighbours may be correlated.
    """
    from scipy.special import stdtrit

    count, total = len(groups), groups.sum(0)
    without = np.array([statistic((total - one) / (count - 1)) for one in groups])
    deviation = without - without.mean(0)
    variance = (count - 1) / count * (deviation**2).sum(0)
    if ordered:
        variance = variance * (1 + (rho := _neighbours(deviation))) / (1 - rho)
    quantile = float(stdtrit(count - 1, (1 + confidence) / 2))
    return Interval(statistic(groups.mean(0)), quantile * np.sqrt(variance))


def groups_of(series: Floats) -> tuple[Floats, bool]:
    """The groups of a series over blocks and members (N, M, ...), and whether they are stretches of time.

    Independent members are the better groups: along one orbit much of the fluctuation cancels in the next stretch, and
    short stretches would count it as error. Members that move together (one limit cycle, a transient that was too
    short) are one series, which is cut into stretches.
    """
    if series.shape[1] >= ENOUGH_MEMBERS and _independent(series):
        return series.mean(0), False
    pooled = series.mean(1)
    return pooled.reshape(GROUPS, -1, *pooled.shape[1:]).mean(1), True


def _independent(series: Floats) -> bool:
    """Whether the mean over M members varies from stretch to stretch as that of independent ones, 1/M of theirs."""
    blocks, members = series.shape[:2]
    if blocks % GROUPS:
        return False
    stretches = series.reshape(GROUPS, blocks // GROUPS, members, -1).mean(1)
    own, common = stretches.var(0).mean(0), stretches.mean(1).var(0)
    varies = own > (1e-9 * np.abs(stretches).max((0, 1))) ** 2
    return bool(varies.any() and (common[varies] * members < TOGETHER * own[varies]).all())


def _neighbours(deviation: Floats) -> Floats:
    """Correlation of neighbouring groups, where it is positive."""
    power = (deviation**2).sum(0)
    lagged = (deviation[1:] * deviation[:-1]).sum(0)
    rho: Floats = np.clip(np.divide(lagged, power, out=np.zeros_like(power), where=power > 0), 0.0, STRONGEST)
    return rho
