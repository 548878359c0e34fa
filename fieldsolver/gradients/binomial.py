"""How many steps must be repeated to go backward through a run, and where states are best kept: integers only.

To reverse l steps with c slots for states, the first of which holds the start, some steps are made several times. The
least number of steps that only lead from state to state (those differentiated at last not among them) is::

    T(l, c) = min over m of  m + T(m, c) + T(l - m, c - 1),    T(1, c) = 0,    T(l, 1) = l (l - 1) / 2
            = r l - beta(c + 1, r - 1),                        beta(c, r) = (c + r)! / (c! r!)

with r, how often the busiest step is made, the smallest number for which l <= beta(c, r).

Source: Griewank, Walther, *Algorithm 799: revolve*, ACM Trans. Math. Softw. 26 (2000) 19-45, section 2; the
recurrence goes back to Griewank, Optim. Methods Softw. 1 (1992) 35-54.
"""

from __future__ import annotations

from math import comb

import numpy as np


def beta(slots: int, repeats: int) -> int:
    """The longest run that c slots can reverse while no step is made more than r times; 0 for r < 0."""
    return comb(slots + repeats, slots) if repeats >= 0 else 0


def repetitions(steps: int, slots: int) -> int:
    """r, how often the busiest of l steps is made with c slots."""
    if slots == 1:
        return steps - 1
    repeats, reach = 0, 1
    while reach < steps:
        repeats += 1
        reach = reach * (slots + repeats) // repeats
    return repeats


def advances(steps: int, slots: int) -> int:
    """T(l, c), for l >= 1 steps and c >= 1 slots."""
    repeats = repetitions(steps, slots)
    return repeats * steps - beta(slots + 1, repeats - 1)


def advances_each(steps: np.ndarray, slots: np.ndarray) -> np.ndarray:
    """T(l, c) of many pairs of integers; 0 where there are no steps."""
    repeats, reach = np.zeros_like(steps), np.ones_like(steps)
    short = np.flatnonzero((reach < steps) & (slots > 1))
    while short.size:
        repeats[short] += 1
        reach[short] = reach[short] * (slots[short] + repeats[short]) // repeats[short]
        short = short[reach[short] < steps[short]]
    # beta(c + 1, r - 1) = beta(c, r) r / (c + 1)
    several = repeats * steps - reach * repeats // (slots + 1)
    return np.where(slots == 1, steps * (steps - 1) // 2, several)


def next_kept(steps: int, slots: int) -> int:
    """The best m: how far behind the start of l > 1 steps the next state is kept, with c > 1 slots.

    Of all that are equally good, the farthest.
    """
    repeats = repetitions(steps, slots)
    return min(beta(slots, repeats - 1), steps - max(1, beta(slots - 1, repeats - 1)))
