"""Fiduccia and Mattheyses' passes as their paper has them: every move by a look at all vertices."""

from __future__ import annotations

import numpy as np

from fieldsolver.kernels.graphs.adjacency import WeightedGraph
from fieldsolver.kernels.graphs.refinement import PASSES, UPHILL


def naive_refined(graph: WeightedGraph, side: np.ndarray, low: float, high: float) -> tuple[np.ndarray, float]:
    """What `refined` must return."""
    matrix, side = graph.matrix().toarray(), side.copy()

    def off(sides: np.ndarray) -> float:
        size = graph.sizes[sides == 0].sum()
        return max(0.0, low - size, size - high)

    slack = max(0.0, graph.sizes.max() - (high - low))
    for _ in range(PASSES):
        state, free, best = side.copy(), set(range(graph.order)), (off(side), graph.cut(side))
        start, best_at, kept, made = best, 0, side, 0
        while free and made - best_at < UPHILL:
            allowed = []
            for vertex in free:
                after = state.copy()
                after[vertex] = 1 - after[vertex]
                across = state != state[vertex]
                gain = matrix[vertex][across].sum() - matrix[vertex][~across].sum()
                if off(after) <= slack or off(after) < off(state):
                    allowed.append((-gain, vertex))
            if not allowed:
                break
            vertex = min(allowed)[1]
            free.remove(vertex)
            state[vertex] = 1 - state[vertex]
            made += 1
            now = off(state), graph.cut(state)
            if now < best:
                best, best_at, kept = now, made, state.copy()
        side = kept
        if best >= start or (best[1] >= start[1] and best[0] >= start[0]):
            break
    return side, graph.cut(side)
