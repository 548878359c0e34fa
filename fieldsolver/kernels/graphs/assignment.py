"""Which way the parts of a graph are found: whole components, METIS or bisections, and packing where those fail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fieldsolver.errors import MissingDependencyError

from .adjacency import WeightedGraph
from .bisections import WHOLE, spectral_assignment
from .metis import metis_assignment
from .packing import packed_components, packed_vertices, pairs_refined, without_empty_parts

CLOSE = 1 + 1e-12
"""Sums of floats are rounded: a bound is kept up to this factor."""


@dataclass(frozen=True)
class Assigned:
    """Parts of the vertices.

    Attributes:
        assignment: ``(n,)``; None if none keep the bound.
        method: what found them.
        impossible: without an assignment: it is proved that there is none.
    """

    assignment: np.ndarray | None
    method: str
    impossible: bool = False


def assigned(graph: WeightedGraph, parts: int, allowed: float, method: str, seed: int) -> Assigned:
    """Parts that hold at most `allowed` each; the methods as those of `graph_partition`."""
    whole = packed_components(graph, parts, allowed)
    if whole is not None and method != "metis":
        return Assigned(whole, "components")
    tried = list(_tried(graph, parts, allowed, method, seed))
    kept = [one for one in tried if _excess(graph, one[0], parts, allowed) == 0]
    if kept:
        assignment, used = min(kept, key=lambda one: (_pieces(graph, one[0], parts), graph.cut(one[0])))
        return Assigned(assignment, used)
    if whole is not None:
        return Assigned(whole, "components")
    packed, impossible = packed_vertices(graph, parts, allowed)
    return Assigned(packed, "packing", impossible)


def _tried(
    graph: WeightedGraph, parts: int, allowed: float, method: str, seed: int
) -> Iterator[tuple[np.ndarray, str]]:
    if method != "spectral":
        try:
            assignment = metis_assignment(graph, parts, allowed, seed)
        except MissingDependencyError:
            if method == "metis":
                raise
        else:
            assignment = _mended(graph, assignment, parts, allowed)
            yield assignment, "metis"
            bad = _excess(graph, assignment, parts, allowed) or _pieces(graph, assignment, parts)
            if method == "metis" or (graph.order > WHOLE and not bad):
                return
    yield _mended(graph, spectral_assignment(graph, parts, allowed, seed), parts, allowed), "spectral"


def _mended(graph: WeightedGraph, assignment: np.ndarray, parts: int, allowed: float) -> np.ndarray:
    """Without empty parts, and closer to the bound where it is not kept."""
    assignment = without_empty_parts(graph, assignment, parts)
    if _excess(graph, assignment, parts, allowed) == 0:
        return assignment
    return without_empty_parts(graph, pairs_refined(graph, assignment, parts, allowed), parts)


def _excess(graph: WeightedGraph, assignment: np.ndarray, parts: int, allowed: float) -> float:
    return max(0.0, float(graph.part_sizes(assignment, parts).max()) - allowed * CLOSE)


def _pieces(graph: WeightedGraph, assignment: np.ndarray, parts: int) -> int:
    """Parts that fall into pieces, of a connected graph."""
    return parts - int(graph.connected(assignment, parts).sum()) if graph.components()[0] == 1 else 0
