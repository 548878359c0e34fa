"""Parts by halving a graph again and again: coarsened, split along slow modes, refined on the way back."""

from __future__ import annotations

import numpy as np

from .adjacency import WeightedGraph
from .coarsening import SMALL, coarsened
from .refinement import refined
from .spectral import directions, swept

TRIES = 4
"""Bisections from different coarsenings, of which the best is taken."""

WHOLE = 5000
"""Vertices up to which slow modes of the whole graph are tried beside those of coarser ones."""

REFINED = 4
"""Sweeps of the whole graph that are refined: those with the least cuts."""


def spectral_assignment(graph: WeightedGraph, parts: int, allowed: float, seed: int) -> np.ndarray:
    """Parts ``(n,)`` that mostly hold at most `allowed`: who asks has to look."""
    scaled, unit = graph.scaled()
    return _bisected(scaled, np.arange(graph.order), parts, allowed / unit, seed)


def _bisected(graph: WeightedGraph, vertices: np.ndarray, parts: int, allowed: float, seed: int) -> np.ndarray:
    """Parts 0 .. parts - 1 of a subgraph."""
    if parts == 1:
        return np.zeros(len(vertices), dtype=np.int64)
    if len(vertices) <= parts:
        return np.arange(len(vertices))
    assignment = np.zeros(len(vertices), dtype=np.int64)
    part = graph.subgraph(vertices) if len(vertices) < graph.order else graph
    first = parts // 2
    side = bisection(part, first, parts, allowed, seed)
    for value, count, offset in ((0, first, 0), (1, parts - first, first)):
        inside = np.flatnonzero(side == value)
        assignment[inside] = offset + _bisected(graph, vertices[inside], count, allowed, seed)
    return assignment


def bisection(graph: WeightedGraph, first: int, parts: int, allowed: float, seed: int) -> np.ndarray:
    """Sides ``(n,)`` of which side 0 will become `first` of `parts` parts that hold at most `allowed` each."""
    total, least = float(graph.sizes.sum()), np.cumsum(np.sort(graph.sizes))
    # every part gets a vertex or more
    low = max(float(least[first - 1]), total - (parts - first) * allowed)
    high = min(total - float(least[parts - first - 1]), first * allowed)
    tried = [_one_bisection(graph, first / parts, low, high, seed + attempt) for attempt in range(TRIES)]
    if SMALL < graph.order <= WHOLE:
        tried.append(_whole_bisection(graph, first / parts, low, high, seed))

    def score(found: tuple[np.ndarray, float]) -> tuple[float, float]:
        size = float(graph.sizes[found[0] == 0].sum())
        return max(0.0, low - size, size - high), found[1]

    return min(tried, key=score)[0]


def _one_bisection(graph: WeightedGraph, share: float, low: float, high: float, seed: int) -> tuple[np.ndarray, float]:
    levels, coarse = coarsened(graph, seed)
    slack = float(coarse.sizes.max()) if levels else 0.0  # coarse vertices are heavy; finer levels restore the balance
    starts = (swept(coarse, vector, share) for vector in directions(coarse, seed))
    tried = (refined(coarse, start, low - slack, high + slack) for start in starts)
    side, cut = min(tried, key=lambda found: found[1])
    for level in reversed(levels):
        slack = float(level.graph.sizes.max()) if level is not levels[0] else 0.0
        side, cut = refined(level.graph, side[level.coarse_vertex], low - slack, high + slack)
    return side, cut


def _whole_bisection(
    graph: WeightedGraph, share: float, low: float, high: float, seed: int
) -> tuple[np.ndarray, float]:
    starts = [swept(graph, vector, share) for vector in directions(graph, seed)]
    starts.sort(key=graph.cut)
    return min((refined(graph, side, low, high) for side in starts[:REFINED]), key=lambda found: found[1])
