"""The depth-first search of `TwoWaySearch`, compiled for int64 and run as it stands for larger integers."""

from __future__ import annotations

import numpy as np

from ..compilation import compiled


@compiled
def search(
    numbers: np.ndarray, items: np.ndarray, rest: np.ndarray, phase: np.ndarray, pairs: np.ndarray,
    best_pairs: np.ndarray, best_last: np.ndarray, place: np.ndarray, smallest: np.ndarray, bound: int, budget: int,
) -> bool:  # fmt: skip
    """Visit up to `budget` nodes; True when the search is over.

    Level L holds n - L numbers, from large to small. Phase 0: not visited; 1: the branch of the difference was taken;
    2: that of the sum too.
    """
    count = numbers.shape[1]
    level = place[0]
    for _ in range(budget):
        size = count - level
        if phase[level] == 0:
            place[1] += 1
            largest = numbers[level, 0]
            others = rest[level] - largest
            if size == 1 or largest >= others:  # a leaf
                if largest - others < smallest[0]:
                    smallest[0] = largest - others
                    place[2], place[3] = level, size
                    best_pairs[:level] = pairs[:level]
                    best_last[:size] = items[level, :size]
                    if smallest[0] <= bound:
                        place[0] = level
                        return True
                phase[level] = 2
        if phase[level] == 2 or (phase[level] == 1 and size <= 4):
            if level == 0:
                place[0] = 0
                return True
            phase[level] = 0
            level -= 1
            continue
        together = phase[level]
        phase[level] += 1
        pairs[level, 0], pairs[level, 1], pairs[level, 2] = items[level, 0], items[level, 1], together
        one, two = numbers[level, 0], numbers[level, 1]
        joined = one + two if together == 1 else one - two
        after = 0  # where it goes among the others
        while after < size - 2 and numbers[level, after + 2] > joined:
            numbers[level + 1, after] = numbers[level, after + 2]
            items[level + 1, after] = items[level, after + 2]
            after += 1
        numbers[level + 1, after] = joined
        items[level + 1, after] = count + level
        for position in range(after + 1, size - 1):
            numbers[level + 1, position] = numbers[level, position + 1]
            items[level + 1, position] = items[level, position + 1]
        rest[level + 1] = rest[level] if together == 1 else rest[level] - 2 * two
        level += 1
        phase[level] = 0
    place[0] = level
    return False
