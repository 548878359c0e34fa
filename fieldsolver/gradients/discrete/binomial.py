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

from functools import lru_cache
from math import comb, isqrt


def beta(slots: int, repeats: int) -> int:
    """The longest run that c slots can reverse while no step is made more than r times; 0 for r < 0."""
    return comb(slots + repeats, slots) if repeats >= 0 else 0


def repetitions(steps: int, slots: int) -> int:
    """r, how often the busiest of l steps is made with c slots."""
    if slots == 1:
        return steps - 1
    if slots == 2:  # (r + 1) (r + 2) >= 2 l
        return (isqrt(8 * steps - 7) - 1) // 2
    repeats, reach = 0, 1
    while reach < steps:
        repeats += 1
        reach = reach * (slots + repeats) // repeats
    return repeats


@lru_cache(maxsize=1 << 16)
def advances(steps: int, slots: int) -> int:
    """T(l, c), for l >= 1 steps and c >= 1 slots; 0 for none."""
    repeats = repetitions(steps, slots)
    return repeats * steps - beta(slots + 1, repeats - 1)


def next_kept(steps: int, slots: int) -> int:
    """The best m: how far behind the start of l > 1 steps the next state is kept, with c > 1 slots.

    Of all that are equally good, the farthest.
    """
    repeats = repetitions(steps, slots)
    return min(beta(slots, repeats - 1), steps - max(1, beta(slots - 1, repeats - 1)))
