"""Where conditions change sign along a step, for all samples and events at once.

Each condition is known at a few positions theta of the step, 0 and 1 among them. It has crossed between two positions
where its sign differs. A sign that does not differ may hide two crossings: where the samples come towards zero and
turn away again, the extremum between them is searched for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

NEAR_END = float(np.finfo(np.float64).eps) ** (1 / 3)
"""Distance of the outermost inner positions from the ends: they show the slope there with half its digits or more."""
POSITIONS = np.array([NEAR_END, 0.2, 0.4, 0.6, 0.8, 1.0 - NEAR_END, 1.0])
"""Where conditions are sampled besides the start of the step."""
REACH = 10.0
"""Extrema farther from zero than this many times the range of the samples are not searched for."""
TOUCH = 1e-12
"""Dips beyond zero shallower than this part of the largest sample are round-off, and the contact is a touch."""

Values = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Columns (Q,) and positions (Q,) -> values of the conditions (Q,)."""


@dataclass(frozen=True)
class Crossings:
    """Q crossings, not located yet.

    Attributes:
        column: (Q,) which of the P sampled conditions.
        low: (Q,) position before the crossing; equal to `high` where the crossing is at that very sample.
        high: (Q,) position after it.
        direction: (Q,) sign of the condition after it.
    """

    column: np.ndarray
    low: np.ndarray
    high: np.ndarray
    direction: np.ndarray

    def select(self, which: np.ndarray) -> Crossings:
        """Some of them."""
        return Crossings(self.column[which], self.low[which], self.high[which], self.direction[which])


@dataclass(frozen=True)
class Signs:
    """Signs along the step.

    Attributes:
        filled: (M, P) sign at each position, the last one that was not zero; 0 before there was any.
        zero_since: (M, P) first position of the run of zeros that ends just before this one; NaN without any.
    """

    filled: np.ndarray
    zero_since: np.ndarray


def read_signs(theta: np.ndarray, values: np.ndarray, side: np.ndarray) -> Signs:
    """Signs of values (M, P) at theta (M,), continuing the sides (P,) on which the conditions were before.

    NaN has no sign, and counts as zero.
    """
    raw = np.sign(np.nan_to_num(values, nan=0.0))
    filled, zero_since = np.empty_like(raw), np.full_like(raw, np.nan)
    last, zero = side.astype(np.float64), np.full(side.shape, np.nan)
    for m in range(theta.size):
        zero_since[m] = zero
        zero = np.where(raw[m] != 0.0, np.nan, np.where(np.isnan(zero), theta[m], zero))
        last = np.where(raw[m] != 0.0, raw[m], last)
        filled[m] = last
    return Signs(filled, zero_since)


def sign_changes(theta: np.ndarray, signs: Signs, side: np.ndarray) -> Crossings:
    """Crossings between neighbouring positions."""
    before = np.concatenate([side[None].astype(np.float64), signs.filled[:-1]])
    m, column = np.nonzero(before * signs.filled < 0.0)
    exact = signs.zero_since[m, column]
    # A side that had changed before the step began (m = 0) is exact, too: both ends are the start.
    low = np.where(np.isnan(exact), theta[np.maximum(m - 1, 0)], exact)
    high = np.where(np.isnan(exact), theta[m], exact)
    return Crossings(column, low, high, signs.filled[m, column])


def hidden_crossings(theta: np.ndarray, values: np.ndarray, signs: Signs, evaluate: Values) -> Crossings:
    """Pairs of crossings where a condition dips beyond zero between positions at which its sign is the same."""
    size = np.abs(values)
    same = (signs.filled[:-2] == signs.filled[1:-1]) & (signs.filled[1:-1] == signs.filled[2:])
    turns = (size[1:-1] <= size[:-2]) & (size[1:-1] < size[2:])
    m, column = np.nonzero(same & turns & (signs.filled[1:-1] != 0.0))
    if m.size:
        spread = np.max(size, axis=0) - np.min(size, axis=0)
        close = size[m + 1, column] <= REACH * spread[column]
        m, column = m[close], column[close]
    if not m.size:
        nothing = np.empty(0)
        return Crossings(np.empty(0, dtype=np.int64), nothing, nothing, nothing)
    side, left, right = signs.filled[m + 1, column], theta[m], theta[m + 2]
    deepest, depth = _lowest(evaluate, column, side, left, theta[m + 1], right)
    found = depth < -TOUCH * np.max(size, axis=0)[column]
    column, side, left, deepest, right = (x[found] for x in (column, side, left, deepest, right))
    return Crossings(
        np.concatenate([column, column]),
        np.concatenate([left, deepest]),
        np.concatenate([deepest, right]),
        np.concatenate([-side, side]),
    )


def _lowest(
    evaluate: Values, column: np.ndarray, side: np.ndarray, left: np.ndarray, middle: np.ndarray, right: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Position and value of the minimum of side * g in the brackets."""
    from scipy.optimize import elementwise

    def towards_zero(theta: np.ndarray, column: np.ndarray, side: np.ndarray) -> np.ndarray:
        return side * evaluate(column.astype(np.int64), theta)

    found = elementwise.find_minimum(towards_zero, (left, middle, right), args=(column.astype(np.float64), side))
    # Where round-off spoils the bracket there is no minimum to speak of, only the sample itself.
    usable = found.success | np.isfinite(found.f_x)
    return np.where(usable, found.x, middle), np.where(usable, found.f_x, np.inf)


def together(*parts: Crossings) -> Crossings:
    """All of them."""
    pieces = zip(*((part.column, part.low, part.high, part.direction) for part in parts), strict=True)
    return Crossings(*(np.concatenate(arrays) for arrays in pieces))
