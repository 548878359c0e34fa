"""Which runs are not beaten in both work and error, and which method is cheapest for an error that is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fieldsolver.analysis.orders.models import Floats

LEAD = 1.1
"""A shorter lead is none: the next run, machine or version turns it round."""


@dataclass(frozen=True)
class Choice:
    """The cheapest method for one error.

    Attributes:
        error: that is asked for.
        method: position of the cheapest, -1 when no method reaches the error.
        work: its work.
        advantage: work of the second over that of the first; NaN without a second.
        clear: the spread of the two does not overlap, and the lead is at least `LEAD`.
    """

    error: float
    method: int
    work: float
    advantage: float
    clear: bool


def pareto_front(work: Floats, error: Floats) -> np.ndarray:
    """True where no other run has at most the same work and error, and less of one; NaN is never on the front."""
    flat_work, flat_error = work.ravel(), error.ravel()
    front = np.zeros(flat_work.size, dtype=bool)
    for k in np.flatnonzero(np.isfinite(flat_work) & np.isfinite(flat_error)):
        no_worse = (flat_work <= flat_work[k]) & (flat_error <= flat_error[k])
        better = (flat_work < flat_work[k]) | (flat_error < flat_error[k])
        front[k] = not (no_worse & better).any()
    return front.reshape(work.shape)


def work_for(target: float, work: Floats, error: Floats) -> float:
    """Work of one method for an error: between two settings by the power law through them; NaN out of reach.

    Args:
        target: the error.
        work: (settings,), from loose to tight.
        error: (settings,).
    """
    known = np.flatnonzero(np.isfinite(work) & np.isfinite(error))
    reached = known[error[known] <= target]
    if not reached.size:
        return math.nan
    first = reached[0]
    before = known[known < first]
    if not before.size or error[first] <= 0 or work[before[-1]] <= 0:
        return float(work[first])
    last = before[-1]
    share = math.log(error[last] / target) / math.log(error[last] / error[first])
    return float(work[last] * (work[first] / work[last]) ** share)


def choices(targets: Floats, work: Floats, error: Floats, low: Floats, high: Floats) -> list[Choice]:
    """The cheapest method for each error.

    Args:
        targets: errors.
        work: (methods, settings).
        error: likewise.
        low: lower ends of the spread of the work, likewise.
        high: upper ends.
    """
    return [_choice(target, *(np.array([work_for(target, *pair) for pair in zip(values, error, strict=True)])
                              for values in (work, low, high))) for target in targets]  # fmt: skip


def _choice(target: float, work: Floats, low: Floats, high: Floats) -> Choice:
    able = np.flatnonzero(np.isfinite(work))
    if not able.size:
        return Choice(float(target), -1, math.nan, math.nan, False)
    first, *others = able[np.argsort(work[able], kind="stable")]
    if not others:
        return Choice(float(target), int(first), float(work[first]), math.nan, True)
    clear = high[first] < low[others].min() and work[others[0]] >= LEAD * work[first]
    return Choice(float(target), int(first), float(work[first]), float(work[others[0]] / work[first]), bool(clear))


def decades(error: Floats) -> Floats:
    """The powers of ten that some run reaches and not all do better than, from large to small."""
    finite = error[np.isfinite(error) & (error > 0)]
    if not finite.size:
        return np.empty(0)
    low, high = math.ceil(math.log10(finite.min())), math.floor(math.log10(finite.max()))
    return np.asarray(10.0 ** np.arange(high, low - 1, -1))


def crossover(upper: float, lower: float, one: tuple[Floats, Floats], other: tuple[Floats, Floats]) -> float:
    """The error between two at which the works (work, error) of two methods are equal, by bisection; NaN if nowhere."""

    def lead(target: float) -> float:
        return math.log(work_for(target, *one) / work_for(target, *other))

    first, last = lead(upper), lead(lower)
    if not (math.isfinite(first) and math.isfinite(last)) or first * last > 0:
        return math.nan
    for _ in range(60):
        middle = math.sqrt(upper * lower)
        if lead(middle) * first > 0:
            upper = middle
        else:
            lower = middle
    return math.sqrt(upper * lower)
