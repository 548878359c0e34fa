"""The walk along two heaps of pair sums, compiled."""

from __future__ import annotations

import numpy as np

from ..compilation import compiled


@compiled
def closest_sum(
    one: np.ndarray, two: np.ndarray, three: np.ndarray, four: np.ndarray, target: int
) -> tuple[int, int, int, int]:
    """Positions in four rising lists whose sum is the largest that is not above `target` (which is not below 0)."""
    low_row, low_at = np.arange(len(one)), np.zeros(len(one), dtype=np.int64)
    high_row, high_at = np.arange(len(three)), np.full(len(three), len(four) - 1)
    low_key, high_key = one + two[0], -(three + four[-1])
    low_size, high_size = len(one), len(three)
    _make_heap(low_row, low_key, low_size)
    _make_heap(high_row, high_key, high_size)
    best = np.int64(-1)
    found = (0, 0, 0, 0)
    while low_size > 0 and high_size > 0:
        i, k = low_row[0], high_row[0]
        total = low_key[i] - high_key[k]
        if total <= target:
            if total > best:
                best = total
                found = (i, low_at[i], k, high_at[k])
                if best == target:
                    break
            low_at[i] += 1
            if low_at[i] == len(two):
                low_size -= 1
                low_row[0] = low_row[low_size]
            else:
                low_key[i] = one[i] + two[low_at[i]]
            _sink(low_row, low_key, 0, low_size)
        else:
            high_at[k] -= 1
            if high_at[k] < 0:
                high_size -= 1
                high_row[0] = high_row[high_size]
            else:
                high_key[k] = -(three[k] + four[high_at[k]])
            _sink(high_row, high_key, 0, high_size)
    return found


@compiled
def _make_heap(rows: np.ndarray, key: np.ndarray, size: int) -> None:
    for root in range(size // 2 - 1, -1, -1):
        _sink(rows, key, root, size)


@compiled
def _sink(rows: np.ndarray, key: np.ndarray, root: int, size: int) -> None:
    """Smallest key on top."""
    if root >= size:
        return
    entry = rows[root]
    while True:
        child = 2 * root + 1
        if child >= size:
            break
        if child + 1 < size and key[rows[child + 1]] < key[rows[child]]:
            child += 1
        if key[rows[child]] >= key[entry]:
            break
        rows[root] = rows[child]
        root = child
    rows[root] = entry
