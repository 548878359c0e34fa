"""The depth-first search of `ManyWaySearch`, compiled for int64 and run as it stands for larger integers."""

from __future__ import annotations

import numpy as np

from ..compilation import compiled, helper

DIFFERENCE, LARGEST = 0, 1


@compiled
def search(
    values: np.ndarray, rest: np.ndarray, capacities: np.ndarray, most: int, fuller: int, objective: int, bound: int,
    sums: np.ndarray, counts: np.ndarray, tried: np.ndarray, following: np.ndarray, placed: np.ndarray,
    found: np.ndarray, place: np.ndarray, least: np.ndarray, budget: int,
) -> bool:  # fmt: skip
    """Visit up to `budget` nodes; True when the search is over. `following` is -1 for a level that was not visited.

    At most `fuller` parts may hold `most` items.
    """
    count, parts = len(values), len(sums)
    level = place[0]
    for _ in range(budget):
        if following[level] < 0:
            place[1] += 1
            if level == count:
                value = _objective(sums, objective)
                if place[2] == 0 or value < least[0]:
                    least[0], place[2] = value, 1
                    found[:] = placed
                    if value <= bound:
                        place[0] = level
                        return True
                following[level] = parts
            else:
                _order_of(sums, tried[level])
                following[level] = 0
        part = -1
        while following[level] < parts:
            candidate = tried[level, following[level]]
            following[level] += 1
            if _fits(level, candidate, values, capacities, most, fuller, sums, counts, tried, following):
                part = candidate
                break
        if part < 0:
            if level == 0:
                place[0] = 0
                return True
            following[level] = -1
            level -= 1
            sums[placed[level]] -= values[level]
            counts[placed[level]] -= 1
            continue
        sums[part] += values[level]
        counts[part] += 1
        if place[2] == 1 and _no_better(sums, rest[level + 1], objective, least[0]):
            sums[part] -= values[level]
            counts[part] -= 1
            continue
        placed[level] = part
        level += 1
        following[level] = -1
    place[0] = level
    return False


@helper
def _fits(
    level: int, part: int, values: np.ndarray, capacities: np.ndarray, most: int, fuller: int, sums: np.ndarray,
    counts: np.ndarray, tried: np.ndarray, following: np.ndarray,
) -> bool:  # fmt: skip
    """Whether an item may go there, and no part that is alike was tried before it."""
    if counts[part] >= most or sums[part] + values[level] > capacities[part]:
        return False
    if counts[part] + 1 == most and (counts == most).sum() >= fuller:
        return False
    for earlier in range(following[level] - 1):
        other = tried[level, earlier]
        if sums[other] == sums[part] and counts[other] == counts[part] and capacities[other] == capacities[part]:
            return False
    return True


@helper
def _order_of(sums: np.ndarray, order: np.ndarray) -> None:
    """Parts from the least to the largest sum, ties by position: insertion, for there are few."""
    for part in range(len(sums)):
        place = part
        while place > 0 and sums[order[place - 1]] > sums[part]:
            order[place] = order[place - 1]
            place -= 1
        order[place] = part


@helper
def _objective(sums: np.ndarray, objective: int) -> int:
    largest, smallest = sums[0], sums[0]
    for value in sums:
        largest, smallest = max(largest, value), min(smallest, value)
    if objective == DIFFERENCE:
        return largest - smallest
    return largest if objective == LARGEST else -smallest


@helper
def _no_better(sums: np.ndarray, rest: int, objective: int, best: int) -> bool:
    """Whether no way to place the rest makes the objective less than `best`."""
    parts = len(sums)
    largest, total = sums[0], rest
    for value in sums:
        largest = max(largest, value)
        total += value
    top = max(largest, -((-total) // parts))
    if objective == LARGEST:
        return top >= best
    level = total // parts
    # sums above the level take no water: leave them out until none is
    while True:
        dry, water, wet = True, rest, 0
        for value in sums:
            if value <= level:
                water += value
                wet += 1
        lower = water // max(wet, 1)
        if lower < level:
            level, dry = lower, False
        if dry:
            break
    return (top - level if objective == DIFFERENCE else -level) >= best
