"""Slopes by differences, of functions that may have kinks.

Along a line, central differences with steps h and h/2 are extrapolated (Richardson)::

    D(h) = (L(h) - L(-h))/(2 h),    L' = (4 D(h/2) - D(h))/3 + O(h^4)

Two such values, one from halved steps, say how far the differences can be trusted. But a kink very near 0 deceives
both alike: they agree on the mean of the slopes on its two sides. It is seen by the one-sided differences, whose gap

    G(h) = (L(h) - 2 L(0) + L(-h))/h

is proportional to h where L is smooth and stays what it is where a kink lies inside. Smaller steps leave kinks outside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

SMALLER = 10.0
"""Factor between steps."""
RUNGS = 5


class Slope(NamedTuple):
    """A derivative by differences.

    Attributes:
        value: of order 4.
        noise: what it changes by when the step is halved.
        gap: of the one-sided differences where it does not shrink with the step, that is at a kink; else 0.
    """

    value: float
    noise: float
    gap: float


class Comparison(NamedTuple):
    """A gradient against differences along one line, relative to the size of the gradient.

    Attributes:
        error: the difference.
        noise: of the differences.
        kinked: whether there is a kink at 0 however small the step: the derivative does not exist.
    """

    error: float
    noise: float
    kinked: bool


def slope(function: Callable[[float], float], h: float) -> Slope:
    """The derivative at 0 from steps h, h/2 and h/4."""
    middle = function(0.0)
    central, gaps = [], []
    for size in (h, h / 2, h / 4):
        above, below = function(size), function(-size)
        central.append((above - below) / (2 * size))
        gaps.append(abs(above - 2 * middle + below) / size)
    coarse, fine = ((4 * central[k + 1] - central[k]) / 3 for k in range(2))
    return Slope(fine, abs(fine - coarse), gaps[-1] if gaps[-1] > gaps[0] / 2 else 0.0)


def compared(
    function: Callable[[float], float], by_autograd: float, h: float, size: float, tolerance: float, unseen: float
) -> Comparison:
    """The derivative at 0 against differences with steps h, h/10, ..., until one of them decides.

    Differences that agree with themselves and show no kink decide: the first that agree with autograd, or the first two
    that do not.

    Args:
        function: of the place on the line.
        by_autograd: its derivative at 0.
        h: the largest step.
        size: of the whole gradient, which errors are relative to.
        tolerance: of the relative error.
        unseen: slopes that round-off hides at step h; where all are smaller, nothing depends on the tensor.
    """
    clear: list[Comparison] = []
    vague: list[Comparison] = []
    for rung in range(RUNGS):
        found = slope(function, h / SMALLER**rung)
        if rung == 0 and size <= unseen and abs(found.value) <= unseen:
            return Comparison(0.0, 0.0, False)
        scale = max(size, abs(found.value))
        if scale == 0:
            return Comparison(0.0, 0.0, False)
        if found.gap > tolerance * scale:
            continue
        one = Comparison(abs(by_autograd - found.value) / scale, found.noise / scale, False)
        if one.noise <= tolerance / 2:
            clear.append(one)
            if one.error <= tolerance or len(clear) == 2:
                return one
        else:
            vague.append(one)
    if clear or vague:
        return _least_noisy(clear, vague)
    return Comparison(0.0, 0.0, True)


def _least_noisy(clear: list[Comparison], vague: list[Comparison]) -> Comparison:
    """Where none decides: of the two best, the smaller error and the larger noise, so that both must accuse."""
    best = sorted([*clear, *vague], key=lambda one: one.noise)[:2]
    return Comparison(min(one.error for one in best), max(one.noise for one in best), False)
