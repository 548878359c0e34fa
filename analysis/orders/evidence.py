"""What the rules of `order_verdict` look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .model_fit import ModelFit
from .models import Floats

ROUNDOFF = 1e-12
"""Errors this small are round-off for double precision and quantities of order one."""

FEW_SLOPES = 4
"""Too few local orders for a t test to notice a drift."""

SETTLED = 0.25
"""Spread of the finest three local orders, as a share of their distance from the claim, that cannot bridge it."""

SCATTERED = 6
"""Local orders from which scatter can be told from a drift, and all of the finer half may stand for the order."""


@dataclass(frozen=True)
class Stiffness:
    """What a stiff problem may do to a method: reduce its order towards the stage order.

    Attributes:
        stage_order: q, the order to which every stage is accurate.
        rate: the largest rate of the problem, in units of 1/h.
    """

    stage_order: float
    rate: float


@dataclass(frozen=True)
class Evidence:
    """Everything the rules look at; see `OrderFit` for the common fields.

    Attributes:
        first_stagnant: first level of the tail that no longer converges; the number of levels if there is none.
        met: error level of that tail, or 0.
        declared: the floor the user gave, or None.
        stiff: what is known about stiffness, or None.
    """

    h: Floats
    errors: Floats
    used: np.ndarray
    first_stagnant: int
    met: float
    declared: float | None
    fit: ModelFit | None
    lo: float
    hi: float
    expected: float | None
    confidence: float
    stiff: Stiffness | None = None

    @property
    def half_width(self) -> float:
        """Of the confidence interval."""
        return (self.hi - self.lo) / 2

    def next_levels(self) -> str:
        """What to run next: finer levels in the last ratio, or coarser ones where round-off is near."""
        ratio = self.h[-1] / self.h[-2] if len(self.h) > 1 else 0.5
        if 0 < self.errors[-1] < ROUNDOFF:
            return f"the finest errors are close to round-off, so add coarser levels: h = {self.h[0] / ratio:.3g}"
        return f"run h = {self.h[-1] * ratio:.3g}, {self.h[-1] * ratio**2:.3g} next"

    def measured(self) -> str:
        """The order with its interval, in words."""
        if self.fit is None:
            return "no order was measured"
        return (
            f"order {self.fit.order:.3f} with {100 * self.confidence:g} % interval [{self.lo:.3f}, {self.hi:.3f}] "
            f"from {int(self.used.sum())} levels ({self.fit.model.name})"
        )

    def raw_slopes(self) -> Floats:
        """Local orders of all levels with an error that is finite and not 0."""
        clear = np.isfinite(self.errors) & (self.errors > 0)
        return np.asarray(np.diff(np.log(self.errors[clear])) / np.diff(np.log(self.h[clear])))

    def slopes(self) -> Floats:
        """Local orders of the levels in the fit, with the fitted floor taken off."""
        if self.fit is None:
            return np.empty(0)
        h, errors = self.h[self.used], self.errors[self.used] - self.fit.floor
        clear = errors > 0.5 * self.errors[self.used]
        return np.asarray(np.diff(np.log(errors[clear])) / np.diff(np.log(h[clear])))


def settled_below(slopes: Floats, claimed: float, tolerance: float) -> bool:
    """Whether the finest local orders rule out that finer levels reach the claim.

    An interval of a fitted law presumes that the law holds; where three terms cancel, none does, and a low order with a
    narrow interval is seen on the way to the true one. So the finest three (two, of three levels) must agree among
    themselves far better than with the claim; or, where they scatter, the whole finer half lies below it.
    """
    if len(slopes) < 2:
        return False
    tail = slopes[-3:]
    if tail.max() < claimed - tolerance and np.ptp(tail) <= SETTLED * (claimed - tail[-1]):
        return True
    half = slopes[-((len(slopes) + 1) // 2) :]
    turns = np.diff(half)
    drifts = bool((turns > 0).all() or (turns < 0).all())
    return len(slopes) >= SCATTERED and not drifts and bool(half.max() < claimed - tolerance)


def has_trend(slopes: Floats, confidence: float) -> bool:
    """Student's t test of a line through the local orders; up to four of them only have to be monotone."""
    n = len(slopes)
    if n <= FEW_SLOPES:
        steps = np.diff(slopes)
        return bool((steps > 0).all() or (steps < 0).all())
    from scipy.special import stdtrit

    index = np.arange(n) - (n - 1) / 2
    slope = float(index @ slopes / (index @ index))
    rest = slopes - slopes.mean() - slope * index
    error = float(np.sqrt(rest @ rest / (n - 2) / (index @ index)))
    return abs(slope) > float(stdtrit(n - 2, 0.5 + confidence / 2)) * error
