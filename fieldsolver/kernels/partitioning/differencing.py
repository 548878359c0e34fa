"""The differencing method of Karmarkar and Karp: put the two largest numbers on different sides, go on with the rest.

Two parts: the two largest numbers are replaced by their difference, n - 1 times; the last number is the difference of
the two sides. k parts: a number is the tuple (w, 0, ..., 0) of part sums, tuples with the largest spread are added with
their orders reversed, and the least sum is taken off.

Source: Karmarkar, Karp, *The differencing method of set partitioning*, UCB/CSD 82/113 (1982); ties break by position,
so that the same weights always give the same parts.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

import numpy as np

Entry = tuple[int, int, tuple[int, ...], tuple[Any, ...]]
"""Minus the spread, a position for ties, the sums from large to small, the items of each sum as nested pairs."""

COMPILED_FROM = 5000
"""Weights from which on compiling pays; below, Python's heap is as fast as loading the compiled code."""


def two_way(values: np.ndarray) -> np.ndarray:
    """Sides 0 and 1 ``(n,)`` of weights ``(n,)``; O(n log n)."""
    if values.dtype == np.int64 and len(values) >= COMPILED_FROM:
        from .differencing_loop import difference_pairs, tree_sides

        return np.asarray(tree_sides(*difference_pairs(values)))
    first, second = _difference_pairs([int(value) for value in values])
    return _sides(first, second, len(values))


def _difference_pairs(values: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """The pairs that were set on different sides, in their order; the first stands for both from then on."""
    heap = [(-value, place) for place, value in enumerate(values)]
    heapq.heapify(heap)
    first, second = np.empty(len(values) - 1, dtype=np.int64), np.empty(len(values) - 1, dtype=np.int64)
    for step in range(len(values) - 1):
        largest, place = heapq.heappop(heap)
        following, other = heapq.heappop(heap)
        first[step], second[step] = place, other
        heapq.heappush(heap, (largest - following, place))
    return first, second


def _sides(first: np.ndarray, second: np.ndarray, count: int) -> np.ndarray:
    """Colour the tree of pairs, from the last one, whose members are settled first."""
    sides = np.zeros(count, dtype=np.int64)
    for place, other in zip(first[::-1].tolist(), second[::-1].tolist(), strict=True):
        sides[other] = 1 - sides[place]
    return sides


def many_way(values: Sequence[int], parts: int) -> np.ndarray:
    """Parts 0 .. parts - 1 ``(n,)`` of weights; O(n (log n + k log k))."""
    no_sums, no_items = (0,) * (parts - 1), ((),) * (parts - 1)
    return _merged(
        [(-value, place, (value, *no_sums), ((place,), *no_items)) for place, value in enumerate(values)], len(values)
    )


def many_way_balanced(values: Sequence[int], parts: int) -> np.ndarray:
    """The same with numbers of items that differ by at most one: k weights of about the same size are a tuple.

    Source: Michiels, Korst, Aarts, van Leeuwen, *Performance ratios for the differencing method applied to the balanced
    number partitioning problem*, STACS (2003); two parts: Yakir, Math. Oper. Res. 21 (1996) 85.
    """
    order = sorted(range(len(values)), key=lambda place: (-values[place], place))
    entries: list[Entry] = []
    for first in range(0, len(values), parts):
        items = order[first : first + parts]
        missing = parts - len(items)
        least = 0 if missing else values[items[-1]]
        sums = (*(values[item] - least for item in items), *(0,) * missing)
        entries.append((-sums[0], items[0], sums, (*((item,) for item in items), *((),) * missing)))
    return _merged(entries, len(values))


def _merged(heap: list[Entry], count: int) -> np.ndarray:
    """Parts of `count` weights from entries, joined until one is left."""
    heapq.heapify(heap)
    while len(heap) > 1:
        _, place, sums, items = heapq.heappop(heap)
        _, _, other_sums, other_items = heapq.heappop(heap)
        joined = [
            (one + two, (here, there))
            for one, two, here, there in zip(sums, reversed(other_sums), items, reversed(other_items), strict=True)
        ]
        joined.sort(key=lambda pair: -pair[0])
        least = joined[-1][0]
        sums = tuple(total - least for total, _ in joined)
        entry = (-sums[0], place, sums, tuple(held for _, held in joined))
        heapq.heappush(heap, entry)
    assignment = np.empty(count, dtype=np.int64)
    for part, held in enumerate(heap[0][3]):
        waiting = [held]
        while waiting:
            entry = waiting.pop()
            for inner in entry:
                if isinstance(inner, tuple):
                    waiting.append(inner)
                else:
                    assignment[inner] = part
    return assignment
