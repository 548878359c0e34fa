"""Parts that keep their bound where sizes are hard to balance: a partition of numbers, then of the graph.

Components that fit into the parts as they are cost no edge. Else the sizes of the vertices are partitioned as if there
were no edges, and pairs of parts exchange vertices while the cut becomes less.
"""

from __future__ import annotations

import numpy as np

from fieldsolver.results import Verdict

from ..partitioning import Partition, partition
from .adjacency import WeightedGraph
from .refinement import refined

NODES = 20_000
NO_CLOCK = float("inf")
ROUNDS = 4
"""How often all pairs of parts are refined."""


def packed_components(graph: WeightedGraph, parts: int, allowed: float) -> np.ndarray | None:
    """Parts ``(n,)`` that no edge leaves, or None if none were found."""
    count, component = graph.components()
    if count < parts:
        return None
    found = _packed(np.bincount(component, weights=graph.sizes), parts, allowed)
    if "assignment" not in found.dataset or len(np.unique(found.assignment)) < parts:
        return None
    return np.asarray(found.assignment[component])


def packed_vertices(graph: WeightedGraph, parts: int, allowed: float) -> tuple[np.ndarray | None, bool]:
    """Parts ``(n,)`` within the bound, or None; and whether it is proved then that there are none."""
    found = _packed(graph.sizes, parts, allowed)
    if "assignment" not in found.dataset:
        return None, found.status is Verdict.NOT_FOUND
    assignment = without_empty_parts(graph, found.assignment, parts)
    return pairs_refined(graph, assignment, parts, allowed), False


def without_empty_parts(graph: WeightedGraph, assignment: np.ndarray, parts: int) -> np.ndarray:
    """Give each empty part the vertex that costs the least edges; there are vertices enough."""
    assignment = assignment.copy()
    counts = np.bincount(assignment, minlength=parts)
    row = np.repeat(np.arange(graph.order), np.diff(graph.starts))
    for part in np.flatnonzero(counts == 0):
        inner = graph.weights * (assignment[row] == assignment[graph.neighbours])
        cost = np.bincount(row, weights=inner, minlength=graph.order)
        vertex = int(np.argmin(np.where(counts[assignment] > 1, cost, np.inf)))
        counts[assignment[vertex]] -= 1
        counts[part] = 1
        assignment[vertex] = part
    return assignment


def pairs_refined(graph: WeightedGraph, assignment: np.ndarray, parts: int, allowed: float) -> np.ndarray:
    """The same parts after exchanges between two of them at a time: closer to the bound, or with a smaller cut."""
    assignment = assignment.copy()
    scaled, unit = graph.scaled()

    def score() -> tuple[float, float]:
        return max(0.0, float(graph.part_sizes(assignment, parts).max()) - allowed), graph.cut(assignment)

    for _ in range(ROUNDS):
        before = score()
        for one, other in _pairs(graph, assignment, parts, allowed):
            inside = np.flatnonzero((assignment == one) | (assignment == other))
            pair = scaled.subgraph(inside)
            total = float(pair.sizes.sum())
            low = min(max(float(pair.sizes.min()), total - allowed / unit), total / 2)
            side, _ = refined(pair, (assignment[inside] == other).astype(np.int64), low, total - low)
            assignment[inside] = np.where(side == 0, one, other)
        if score() >= before:
            break
    return assignment


def _packed(sizes: np.ndarray, parts: int, allowed: float) -> Partition:
    most = allowed * (1 + 1e-12)  # as the verdict: sums of floats are rounded
    return partition(sizes, parts, objective="smallest", capacities=most, time_limit=NO_CLOCK, most_nodes=NODES)


def _pairs(graph: WeightedGraph, assignment: np.ndarray, parts: int, allowed: float) -> list[tuple[int, int]]:
    """Parts that edges join, and those that hold too much with those that have room."""
    row = np.repeat(assignment, np.diff(graph.starts))
    column = assignment[graph.neighbours]
    joined = [(int(pair) // parts, int(pair) % parts) for pair in np.unique((row * parts + column)[row < column])]
    sizes = graph.part_sizes(assignment, parts)
    room = np.argsort(sizes, kind="stable")[: (sizes < allowed).sum()]
    return joined + [(int(full), int(other)) for full in np.flatnonzero(sizes > allowed) for other in room]
