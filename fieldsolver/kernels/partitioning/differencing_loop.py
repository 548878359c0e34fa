"""The two-way differencing of many weights, compiled: a binary heap of places, largest weight first."""

from __future__ import annotations

import numpy as np

from ..compilation import compiled


@compiled
def difference_pairs(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of `differencing._difference_pairs`, for int64 weights ``(n,)``."""
    count = len(values)
    key, item = values.copy(), np.arange(count)  # side by side: one cache line per level of the heap
    for root in range(count // 2 - 1, -1, -1):
        _sink(key, item, root, count, key[root], item[root])
    first, second = np.empty(count - 1, dtype=np.int64), np.empty(count - 1, dtype=np.int64)
    for step in range(count - 1):
        largest, place = key[0], item[0]
        last = count - 1 - step
        _sink(key, item, 0, last, key[last], item[last])
        first[step], second[step] = place, item[0]
        _sink(key, item, 0, last, largest - key[0], place)
    return first, second


@compiled
def tree_sides(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Sides of the tree of pairs, from the last one, whose members are settled first."""
    sides = np.zeros(len(first) + 1, dtype=np.int64)
    for step in range(len(first) - 1, -1, -1):
        sides[second[step]] = 1 - sides[first[step]]
    return sides


@compiled
def _sink(key: np.ndarray, item: np.ndarray, root: int, size: int, value: int, place: int) -> None:
    """Put an entry at `root` and let it sink until both below come after it: smaller, or equal and of a later place."""
    while True:
        child = 2 * root + 1
        if child >= size:
            break
        other = child + 1
        if other < size and (key[other] > key[child] or (key[other] == key[child] and item[other] < item[child])):
            child = other
        if key[child] < value or (key[child] == value and item[child] > place):
            break
        key[root], item[root] = key[child], item[child]
        root = child
    key[root], item[root] = value, place
