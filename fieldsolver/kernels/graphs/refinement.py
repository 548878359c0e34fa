"""Moving vertices between two sides, one at a time, to lower the cut: Fiduccia and Mattheyses.

In a pass every vertex moves at most once, the one that lowers the cut most first (of equals the first), uphill too; the
best state of the pass is kept. Passes go on until one finds nothing. Moves that keep the bounds are allowed, and those
that come closer to them; bounds closer than the largest vertex may be left by that much in between, or nothing could
move. On each side these are the moves of an interval of sizes. So each side has a tournament of its free vertices by
their gains, in the order of their sizes, and a move is the winner of an interval, in O(log n).

Source: Fiduccia, Mattheyses, *A linear-time heuristic for improving network partitions*, DAC (1982).
"""

from __future__ import annotations

import numpy as np

from ..compilation import compiled, helper
from .adjacency import WeightedGraph

PASSES = 20
UPHILL = 150
"""Moves in a row without a new best cut, after which a pass ends."""


def refined(graph: WeightedGraph, side: np.ndarray, low: float, high: float) -> tuple[np.ndarray, float]:
    """Sides and cut after refinement; the size of side 0 ends in [low, high], or as close to it as it can."""
    side = side.astype(np.int64).copy()
    order = np.argsort(graph.sizes, kind="stable")
    cut = refine(graph.starts, graph.neighbours, graph.weights, graph.sizes, side, low, high, order)
    return side, float(cut)


@compiled
def refine(
    starts: np.ndarray, neighbours: np.ndarray, weights: np.ndarray, sizes: np.ndarray, side: np.ndarray, low: float,
    high: float, order: np.ndarray,
) -> float:  # fmt: skip
    """Change `side` in place; return the cut. `order`: the vertices by their sizes."""
    count = len(sizes)
    gain, moves = np.empty(count), np.empty(count, dtype=np.int64)
    winner = np.empty(
        (2, 2 * count), dtype=np.int64
    )  # of a side: node i of 2 i and 2 i + 1, the leaves from `count` on
    rank = np.empty(count, dtype=np.int64)
    rank[order] = np.arange(count)
    in_order = sizes[order]
    slack = max(0.0, in_order[count - 1] - (high - low))
    cut = 0.0
    for _ in range(PASSES):
        cut, size = _start_of_pass(starts, neighbours, weights, sizes, side, gain)
        _open(gain, side, order, winner)
        best, best_off, best_at, now, made = cut, _off(size, low, high), 0, cut, 0
        first_off = best_off
        while made < count and made - best_at < UPHILL:
            v = _best_move(gain, in_order, size, low, high, slack, winner)
            if v < 0:
                break
            winner[side[v], count + rank[v]] = -1
            _replay(gain, winner[side[v]], rank[v], v)
            size += -sizes[v] if side[v] == 0 else sizes[v]
            side[v] = 1 - side[v]
            now -= gain[v]
            for place in range(starts[v], starts[v + 1]):
                other = neighbours[place]
                gain[other] += 2.0 * weights[place] if side[other] != side[v] else -2.0 * weights[place]
                if winner[side[other], count + rank[other]] == other:
                    _replay(gain, winner[side[other]], rank[other], other)
            moves[made] = v
            made += 1
            off = _off(size, low, high)
            if off < best_off - 1e-12 or (off <= best_off + 1e-12 and now < best - 1e-12):
                best, best_off, best_at = now, off, made
        for place in range(best_at, made):
            side[moves[place]] = 1 - side[moves[place]]
        if best >= cut - 1e-12 and best_off >= first_off:
            return best
        cut = best
    return cut


@helper
def _off(size: float, low: float, high: float) -> float:
    """How far the size of side 0 is from its bounds."""
    return max(0.0, low - size, size - high)


@helper
def _start_of_pass(
    starts: np.ndarray, neighbours: np.ndarray, weights: np.ndarray, sizes: np.ndarray, side: np.ndarray,
    gain: np.ndarray,
) -> tuple[float, float]:  # fmt: skip
    """Write what each move would take off the cut; return the cut and the size of side 0."""
    cut, size = 0.0, 0.0
    for v in range(len(sizes)):
        gain[v] = 0.0
        if side[v] == 0:
            size += sizes[v]
        for place in range(starts[v], starts[v + 1]):
            across = side[neighbours[place]] != side[v]
            gain[v] += weights[place] if across else -weights[place]
            cut += 0.5 * weights[place] if across else 0.0
    return cut, size


@helper
def _best_move(
    gain: np.ndarray, in_order: np.ndarray, size: float, low: float, high: float, slack: float,
    winner: np.ndarray,
) -> int:  # fmt: skip
    """The vertex of the largest gain that may move, the first of equals; -1 if none may."""
    off, count = max(slack, _off(size, low, high) - 1e-12), len(in_order)  # what a move may be off
    chosen = -1
    for own in range(2):
        # a side that loses s: low - (size - s) <= off for the first vertices, (size - s) - high <= off for the last
        begin, end = 0, count
        if own == 0:
            begin = _first_place(in_order, size - high - off, False)
            end = _first_place(in_order, size - low + off, True)
        else:
            begin = _first_place(in_order, low - size - off, False)
            end = _first_place(in_order, high - size + off, True)
        chosen = _of_interval(gain, winner[own], begin, end, chosen)
    return chosen


@helper
def _first_place(in_order: np.ndarray, value: float, beyond: bool) -> int:
    """How many entries are less than a value, or no larger."""
    begin, end = 0, len(in_order)
    while begin < end:
        middle = (begin + end) // 2
        if in_order[middle] < value or (beyond and in_order[middle] == value):
            begin = middle + 1
        else:
            end = middle
    return begin


@helper
def _of_interval(gain: np.ndarray, winner: np.ndarray, begin: int, end: int, chosen: int) -> int:
    """The best of `chosen` and the free vertices at the places from `begin` to `end` in the order of the sizes."""
    count = len(gain)
    begin, end = begin + count, end + count
    while begin < end:
        if begin % 2 == 1:
            chosen = _better(gain, chosen, winner[begin])
            begin += 1
        if end % 2 == 1:
            end -= 1
            chosen = _better(gain, chosen, winner[end])
        begin, end = begin // 2, end // 2
    return chosen


@helper
def _better(gain: np.ndarray, one: int, other: int) -> int:
    """The vertex of the larger gain, the first of equals; -1 is none."""
    if one < 0 or (other >= 0 and (gain[other] > gain[one] or (gain[other] == gain[one] and other < one))):
        return other
    return one


@helper
def _open(gain: np.ndarray, side: np.ndarray, order: np.ndarray, winner: np.ndarray) -> None:
    """All vertices are free: play every match."""
    count = len(order)
    for own in range(2):
        for place in range(count):
            winner[own, count + place] = order[place] if side[order[place]] == own else -1
        for node in range(count - 1, 0, -1):
            winner[own, node] = _better(gain, winner[own, 2 * node], winner[own, 2 * node + 1])


@helper
def _replay(gain: np.ndarray, winner: np.ndarray, place: int, vertex: int) -> None:
    """Play the matches of a vertex anew, up to the first that it neither won before nor wins now."""
    node = (len(gain) + place) // 2
    while node > 0:
        before = winner[node]
        winner[node] = _better(gain, winner[2 * node], winner[2 * node + 1])
        if before != vertex and winner[node] != vertex:
            break
        node //= 2
