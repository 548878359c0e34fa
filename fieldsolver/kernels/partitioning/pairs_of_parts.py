"""A good start for the searches in k parts: split the largest or the smallest part and another one anew.

Two parts are split by complete differencing, whose leaves are plenty and good; where that gains nothing (many weights
of one size), one item moves, or two change places. The sums move towards each other, so no objective gets worse. It
ends where no pair gains: no optimum, only hard to beat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .complete_differencing import MOST_ITEMS, TwoWaySearch
from .complete_greedy import part_sums

NODES = 2_000
"""Of the search of one pair."""

MOST_EXCHANGES = 1_000_000


def rebalanced(
    values: np.ndarray, assignment: np.ndarray, parts: int, chunk: Callable[[int], int]
) -> tuple[np.ndarray, int]:
    """An assignment ``(n,)`` and the nodes that it took.

    Args:
        values: ``(n,)`` int64 or Python integers.
        assignment: the start ``(n,)``; not changed.
        parts: k.
        chunk: says how many nodes may be visited when so many were; 0 ends it.
    """
    assignment, nodes, gained = assignment.copy(), 0, True
    while gained:
        gained = False
        for one, other, difference in _extreme_pairs(part_sums(values, assignment, parts)):
            items = np.flatnonzero((assignment == one) | (assignment == other))
            allowed = min(NODES, chunk(nodes))
            if allowed == 0:
                return assignment, nodes
            if len(items) > MOST_ITEMS:
                continue
            search = TwoWaySearch(values[items])
            search.run(allowed)
            nodes += search.nodes
            if search.best < difference:
                assignment[items] = np.where(search.sides() == 0, one, other)
                gained = True
            else:
                gained = _exchange(values, assignment, one, other, difference)
            if gained:
                break
    return assignment, nodes


def _exchange(values: np.ndarray, assignment: np.ndarray, one: int, other: int, difference: int) -> bool:
    """Move an item of the larger part `other`, or exchange it for one of `one`, if the difference becomes less."""
    given, taken = np.flatnonzero(assignment == other), np.flatnonzero(assignment == one)
    if len(given) * (len(taken) + 1) > MOST_EXCHANGES:
        return False
    back = np.append(values[taken], 0)
    after = np.abs(difference - 2 * (values[given][:, None] - back[None, :]))
    row, column = divmod(int(np.argmin(after)), len(back))
    if after[row, column] >= difference:
        return False
    assignment[given[row]] = one
    if column < len(taken):
        assignment[taken[column]] = other
    return True


def _extreme_pairs(sums: list[int]) -> Iterator[tuple[int, int, int]]:
    """Pairs of different sums with the largest or the smallest part, the most different ones first."""
    order = sorted(range(len(sums)), key=sums.__getitem__)
    low, high = order[0], order[-1]
    pairs = {(low, part) for part in order[1:]} | {(part, high) for part in order[:-1]}
    found = [(one, other, sums[other] - sums[one]) for one, other in pairs if sums[other] > sums[one]]
    yield from sorted(found, key=lambda pair: (-pair[2], pair))
