"""The best two-way partition of up to 50 weights by four sorted lists of subset sums: O(2^(n/2)) time, O(2^(n/4))
memory.

Sums of the first two quarters come out of a heap in rising order, those of the last two in falling order; one walk
along both finds the sum closest to half the total from below.

Source: Schroeppel, Shamir, *A T = O(2^(n/2)), S = O(2^(n/4)) algorithm for certain NP-complete problems*, SIAM J.
Comput. 10 (1981) 456.
"""

from __future__ import annotations

import numpy as np

MOST_ITEMS = 50


def best_sides(values: np.ndarray) -> np.ndarray:
    """Sides 0 and 1 ``(n,)`` of int64 weights ``(n,)``, with the least difference; n at most 50."""
    from .four_lists_loop import closest_sum

    quarters = np.array_split(np.arange(len(values)), 4)
    lists = [_subset_sums(values[quarter]) for quarter in quarters]
    half = int(values.sum()) // 2
    found = closest_sum(*(sums for sums, _ in lists), half)
    chosen = [masks[place] for (_, masks), place in zip(lists, found, strict=True)]
    sides = np.zeros(len(values), dtype=np.int64)
    for quarter, mask in zip(quarters, chosen, strict=True):
        sides[quarter] = (int(mask) >> np.arange(len(quarter))) & 1
    return sides


def _subset_sums(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All subset sums in rising order, and the sets as bits."""
    sums = np.zeros(1, dtype=np.int64)
    for value in values:
        sums = np.concatenate([sums, sums + value])
    order = np.argsort(sums, kind="stable")
    return sums[order], order
