"""Coarser and coarser graphs: vertices joined along heavy edges.

Source: Karypis, Kumar, *A fast and high quality multilevel scheme for partitioning irregular graphs*, SIAM J. Sci.
Comput. 20 (1998) 359, heavy-edge matching.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..compilation import compiled
from .adjacency import WeightedGraph, from_matrix

SMALL = 120
"""Vertices from which on a graph is coarsened no further."""

LEAST_SHRINKING = 0.95


@dataclass(frozen=True)
class Level:
    """A graph, and the vertex of the next coarser one that each of its vertices went into."""

    graph: WeightedGraph
    coarse_vertex: np.ndarray


def coarsened(graph: WeightedGraph, seed: int) -> tuple[list[Level], WeightedGraph]:
    """The levels from fine to coarse, and the coarsest graph."""
    generator, levels = np.random.default_rng(seed), []
    while graph.order > SMALL:
        heaviest = 1.5 * graph.sizes.sum() / SMALL  # one huge vertex could not be balanced
        order = generator.permutation(graph.order)
        partner = match(graph.starts, graph.neighbours, graph.weights, graph.sizes, order, heaviest)
        _, coarse_vertex = np.unique(np.minimum(np.arange(graph.order), partner), return_inverse=True)
        coarse = _joined(graph, coarse_vertex)
        if coarse.order > LEAST_SHRINKING * graph.order:
            break
        levels.append(Level(graph, coarse_vertex))
        graph = coarse
    return levels, graph


def _joined(graph: WeightedGraph, coarse_vertex: np.ndarray) -> WeightedGraph:
    from scipy.sparse import csr_array

    count = int(coarse_vertex.max()) + 1
    into = csr_array((np.ones(graph.order), (np.arange(graph.order), coarse_vertex)), shape=(graph.order, count))
    return from_matrix(into.T @ graph.matrix() @ into, np.bincount(coarse_vertex, weights=graph.sizes))


@compiled
def match(
    starts: np.ndarray, neighbours: np.ndarray, weights: np.ndarray, sizes: np.ndarray, order: np.ndarray,
    heaviest: float,
) -> np.ndarray:  # fmt: skip
    """The partner of each vertex, itself if it has none: the free neighbour over the heaviest edge."""
    partner = np.full(len(sizes), -1, dtype=np.int64)
    for vertex in order:
        if partner[vertex] >= 0:
            continue
        best, chosen = 0.0, vertex
        for place in range(starts[vertex], starts[vertex + 1]):
            other = neighbours[place]
            if partner[other] < 0 and weights[place] > best and sizes[vertex] + sizes[other] <= heaviest:
                best, chosen = weights[place], other
        partner[vertex] = chosen
        partner[chosen] = vertex
    return partner
