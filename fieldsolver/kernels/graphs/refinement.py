"""Moving vertices between two sides, one at a time, to lower the cut: Fiduccia and Mattheyses.

In a pass every vertex moves at most once, the one that lowers the cut most first, uphill too; the best state of the
pass is kept. Passes go on until one finds nothing.

Source: Fiduccia, Mattheyses, *A linear-time heuristic for improving network partitions*, DAC (1982).
"""

from __future__ import annotations

import numpy as np

from ..compilation import compiled
from .adjacency import WeightedGraph

PASSES = 20
UPHILL = 150
"""Moves in a row without a new best cut, after which a pass ends."""


def refined(graph: WeightedGraph, side: np.ndarray, low: float, high: float) -> tuple[np.ndarray, float]:
    """Sides and cut after refinement; the size of side 0 stays in [low, high], or comes as close to it as it can."""
    side = side.astype(np.int64).copy()
    cut = refine(graph.starts, graph.neighbours, graph.weights, graph.sizes, side, low, high)
    return side, float(cut)


@compiled
def refine(
    starts: np.ndarray, neighbours: np.ndarray, weights: np.ndarray, sizes: np.ndarray, side: np.ndarray, low: float,
    high: float,
) -> float:  # fmt: skip
    """Change `side` in place; return the cut."""
    count = len(sizes)
    gain, locked = np.empty(count), np.zeros(count, dtype=np.bool_)
    moves = np.empty(count, dtype=np.int64)
    cut, size = 0.0, 0.0
    for _ in range(PASSES):
        cut, size = 0.0, 0.0
        for v in range(count):
            gain[v] = 0.0
            locked[v] = False
            if side[v] == 0:
                size += sizes[v]
            for place in range(starts[v], starts[v + 1]):
                across = side[neighbours[place]] != side[v]
                gain[v] += weights[place] if across else -weights[place]
                cut += 0.5 * weights[place] if across else 0.0
        best, best_off, best_at, now, made = cut, _off(size, low, high), 0, cut, 0
        first_off = best_off
        while made < count and made - best_at < UPHILL:
            chosen = -1
            off = _off(size, low, high)
            for v in range(count):
                if locked[v] or (chosen >= 0 and gain[v] <= gain[chosen]):
                    continue
                after = _off(size - sizes[v] if side[v] == 0 else size + sizes[v], low, high)
                if after <= max(off - 1e-12, 0.0) or (after == 0.0):
                    chosen = v
            if chosen < 0:
                break
            v = chosen
            size += -sizes[v] if side[v] == 0 else sizes[v]
            side[v] = 1 - side[v]
            locked[v] = True
            now -= gain[v]
            gain[v] = -gain[v]
            for place in range(starts[v], starts[v + 1]):
                other = neighbours[place]
                gain[other] += 2.0 * weights[place] if side[other] != side[v] else -2.0 * weights[place]
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


@compiled
def _off(size: float, low: float, high: float) -> float:
    """How far the size of side 0 is from its bounds."""
    return max(0.0, low - size, size - high)
