"""The depth-first search of `ManyWayDifferencing`, compiled for int64 and run as it stands for larger integers."""

from __future__ import annotations

import numpy as np

from ..compilation import compiled, helper

DIFFERENCE, LARGEST = 0, 1
CHILDREN, NEXT, WHERE, FIRST, SECOND = range(5)
"""Columns of `levels`."""


@compiled
def search(
    tuples: np.ndarray, active: np.ndarray, totals: np.ndarray, orders: np.ndarray, children: np.ndarray,
    levels: np.ndarray, slots: np.ndarray, best_levels: np.ndarray, best_slots: np.ndarray, place: np.ndarray,
    least: np.ndarray, objective: int, bound: int, budget: int,
) -> bool:  # fmt: skip
    """Visit up to `budget` nodes; True when the search is over.

    The tuples of level L are ``active[L:]``, from the largest spread to the least; the tuple made on level L is number
    n + L. Every tuple falls from left to right to 0, so its spread is its first entry.
    """
    count, level = len(active), place[0]
    whole = totals[0]
    visited = 0
    while visited < budget:
        if levels[level, NEXT] < 0:
            visited += 1
            place[1] += 1
            largest = tuples[active[level], 0]
            value = _least_value(largest, totals[level], whole, tuples.shape[1], level == count - 1, objective)
            levels[level, NEXT] = levels[level, CHILDREN] = 0
            if value < least[0] and level == count - 1:
                least[0], place[2] = value, 1
                best_levels[:], best_slots[:] = levels, slots
                if value <= bound:
                    place[0] = level
                    return True
            elif value < least[0]:
                found = _list_children(tuples[active[level]], tuples[active[level + 1]], orders, children[level])
                # of the last two tuples, opposite orders have the least largest and the largest least sum
                levels[level, CHILDREN] = min(found, 1) if level == count - 2 else found
        if levels[level, NEXT] >= levels[level, CHILDREN]:
            if level == 0:
                place[0] = 0
                return True
            level -= 1
            _take_back(active, levels, level)
            continue
        order = orders[children[level, levels[level, NEXT]]]
        levels[level, NEXT] += 1
        off = _join(tuples, active[level], active[level + 1], count + level, order, slots[level])
        totals[level + 1] = totals[level] - off * tuples.shape[1]
        _put(tuples, active, levels, level)
        level += 1
        levels[level, NEXT] = -1
    place[0] = level
    return False


@helper
def _least_value(largest: int, total: int, whole: int, parts: int, is_leaf: bool, objective: int) -> int:
    """No completion of a node has a better value; a leaf has it."""
    taken_off = (whole - total) // parts  # of every part
    top = max(largest, -((-total) // parts))
    bottom = 0 * total if is_leaf else (total - top) // (parts - 1)
    if objective == DIFFERENCE:
        return top - bottom
    return taken_off + top if objective == LARGEST else -(taken_off + bottom)


@helper
def _list_children(first: np.ndarray, second: np.ndarray, orders: np.ndarray, found: np.ndarray) -> int:
    """Write the orders that give different sums, the least spread first; return their number."""
    parts, size = len(first), 0
    spreads = np.empty(len(orders), dtype=first.dtype)
    for which in range(len(orders) - 1, -1, -1):  # the last one reverses: Karmarkar and Karp's choice wins ties
        order = orders[which]
        if not _is_first_of_its_kind(first, second, order):
            continue
        high = low = first[0] + second[order[0]]
        for slot in range(1, parts):
            value = first[slot] + second[order[slot]]
            high, low = max(high, value), min(low, value)
        spreads[size], found[size] = high - low, which
        size += 1
    sorted_places = np.argsort(spreads[:size], kind="mergesort")
    found[:size] = found[:size].copy()[sorted_places]
    return size


@helper
def _is_first_of_its_kind(first: np.ndarray, second: np.ndarray, order: np.ndarray) -> bool:
    """Whether no order that swaps two equal entries of either tuple comes later in the list of all orders."""
    for slot in range(len(order) - 1):
        for other in range(slot + 1, len(order)):
            if order[slot] < order[other] and (
                first[slot] == first[other] or second[order[slot]] == second[order[other]]
            ):
                return False
    return True


@helper
def _join(tuples: np.ndarray, first: int, second: int, joined: int, order: np.ndarray, slots: np.ndarray) -> int:
    """Add two tuples, sort the sums, take the least off and return it; `slots` says what each sum is made of."""
    parts = len(order)
    for slot in range(parts):
        value, after = tuples[first, slot] + tuples[second, order[slot]], slot
        while after > 0 and tuples[joined, after - 1] < value:
            tuples[joined, after] = tuples[joined, after - 1]
            slots[after, 0], slots[after, 1] = slots[after - 1, 0], slots[after - 1, 1]
            after -= 1
        tuples[joined, after] = value
        slots[after, 0], slots[after, 1] = slot, order[slot]
    least = tuples[joined, parts - 1]
    for slot in range(parts):
        tuples[joined, slot] -= least
    return least


@helper
def _put(tuples: np.ndarray, active: np.ndarray, levels: np.ndarray, level: int) -> None:
    """Replace the first two tuples of a level by the joined one, at its place in the order."""
    count = len(active)
    levels[level, FIRST], levels[level, SECOND] = active[level], active[level + 1]
    spread, where = tuples[count + level, 0], level + 1
    while where + 1 < count and tuples[active[where + 1], 0] > spread:
        active[where] = active[where + 1]
        where += 1
    active[where] = count + level
    levels[level, WHERE] = where


@helper
def _take_back(active: np.ndarray, levels: np.ndarray, level: int) -> None:
    """Undo `_put`."""
    for where in range(levels[level, WHERE], level + 1, -1):
        active[where] = active[where - 1]
    active[level + 1] = levels[level, SECOND]
