"""Newton's iteration kept inside a bracket (the ``rtsafe`` of Numerical Recipes, section 9.4)."""

from __future__ import annotations

import math
from collections.abc import Callable

ITERATIONS = 100


def bracketed_root(function: Callable[[float], tuple[float, float]], low: float, high: float) -> float:
    """A root of a function between two points at which its signs differ, to the last digits.

    Args:
        function: value and derivative; a derivative that is not finite is not used.
        low: one end.
        high: the other end.
    """
    f_low = function(low)[0]
    if f_low == 0:
        return low
    if function(high)[0] == 0:
        return high
    rising = f_low < 0
    x = 0.5 * (low + high)
    for _ in range(ITERATIONS):
        f, slope = function(x)
        if f == 0:
            return x
        if (f < 0) == rising:
            low = x
        else:
            high = x
        step = f / slope if slope and math.isfinite(slope) else math.inf
        following = x - step if low < x - step < high else 0.5 * (low + high)
        if abs(following - x) <= 2e-16 * abs(following) or following in (low, high):
            return following
        x = following
    return x
