"""`graph_partition`: vertices in parts of equal size with few edges between them; every answer is verified."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fieldsolver.errors import MissingDependencyError, OptionError, listing, nearest
from fieldsolver.results import AnalysisResult, Verdict, VerdictNotReached

from .adjacency import WeightedGraph, weighted_graph
from .coarsening import SMALL, coarsened
from .refinement import refined
from .spectral import directions, swept

if TYPE_CHECKING:
    import xarray

SCHEMA = "graph_partition/1"
METHODS: tuple[str, ...] = ("auto", "spectral", "metis")
TRIES = 4
"""Bisections from different coarsenings, of which the best is taken."""

WHOLE = 5000
"""Vertices up to which slow modes of the whole graph are tried beside those of coarser ones."""

REFINED = 4
"""Sweeps of the whole graph that are refined: those with the least cuts."""


class GraphPartition(AnalysisResult):
    """Parts of a graph."""

    @property
    def assignment(self) -> np.ndarray:
        """The part of each vertex ``(n,)``; raises `VerdictNotReached` where a bound is not kept."""
        if self.status is Verdict.NOT_FOUND:
            raise VerdictNotReached(f"there is no partition: {self.reason}")
        return np.asarray(self["assignment"].values)

    @property
    def cut(self) -> float:
        """The weight of the edges between parts."""
        return float(self["cut"])


def graph_partition(
    graph: Any, parts: int = 2, *, sizes: Any = None, imbalance: float = 0.03, method: str = "auto", seed: int = 0
) -> GraphPartition:
    """Split the vertices of a graph.

    Args:
        graph: a symmetric matrix, a networkx graph, or a list of edges; see `weighted_graph`.
        parts: k, from 1 to n.
        sizes: weights of the vertices ``(n,)``; None gives each 1.
        imbalance: no part may be larger than (1 + imbalance) times the mean, or than the mean rounded up to a whole
            vertex.
        method: ``"spectral"`` (heavy-edge coarsening, eigenspaces of the Laplacian, Fiduccia-Mattheyses
            refinement, by bisections), ``"metis"`` (pymetis), or ``"auto"``: METIS where it is installed, else
            spectral.
        seed: of the coarsening; the same seed gives the same parts.

    Returns:
        Schema ``graph_partition/1``, dimensions ``vertex`` (`assignment`) and ``part`` (`size`, `connected`); scalars
        `cut`, `imbalance`, `largest_allowed`. FEASIBLE: balance holds and every part of a connected graph is connected;
        the cut is an upper bound of the least one. INCONCLUSIVE: balanced, but a part falls into pieces. NOT_FOUND: the
        balance was not reached.

    Raises:
        OptionError: no graph, or an option that makes no sense.
        MissingDependencyError: ``method="metis"`` without pymetis.
    """
    whole = weighted_graph(graph, sizes)
    _check(whole, parts, imbalance, method)
    allowed = _largest_allowed(whole, parts, imbalance)
    assignment, used = _assigned(whole, parts, allowed, method, seed)
    dataset = _dataset(whole, assignment, parts, allowed, used)
    return GraphPartition(dataset, *_verdict(whole, dataset, allowed), SCHEMA)


def _assigned(graph: WeightedGraph, parts: int, allowed: float, method: str, seed: int) -> tuple[np.ndarray, str]:
    if method != "spectral":
        from .metis import metis_assignment

        try:
            return metis_assignment(graph, parts, allowed), "metis"
        except MissingDependencyError:
            if method == "metis":
                raise
    return _bisected(graph, np.arange(graph.order), parts, allowed, seed), "spectral"


def _bisected(graph: WeightedGraph, vertices: np.ndarray, parts: int, allowed: float, seed: int) -> np.ndarray:
    """Parts 0 .. parts - 1 of a subgraph, by halving it again and again."""
    assignment = np.zeros(len(vertices), dtype=np.int64)
    if parts == 1:
        return assignment
    part = graph.subgraph(vertices) if len(vertices) < graph.order else graph
    first = parts // 2
    side = bisection(part, first, parts, allowed, seed)
    for value, count, offset in ((0, first, 0), (1, parts - first, first)):
        inside = np.flatnonzero(side == value)
        assignment[inside] = offset + _bisected(graph, vertices[inside], count, allowed, seed)
    return assignment


def bisection(graph: WeightedGraph, first: int, parts: int, allowed: float, seed: int) -> np.ndarray:
    """Sides ``(n,)`` of which side 0 will become `first` of `parts` parts that hold at most `allowed` each."""
    total = float(graph.sizes.sum())
    low, high = max(0.0, total - (parts - first) * allowed), min(total, first * allowed)
    best, least = None, (np.inf, np.inf)
    for attempt in range(TRIES if graph.order > 2 else 1):
        side, cut = _one_bisection(graph, first / parts, low, high, seed + attempt)
        size = float(graph.sizes[side == 0].sum())
        score = (max(0.0, low - size, size - high), cut)
        if score < least:
            best, least = side, score
    if SMALL < graph.order <= WHOLE:
        side, cut = _whole_bisection(graph, first / parts, low, high, seed)
        size = float(graph.sizes[side == 0].sum())
        if (max(0.0, low - size, size - high), cut) < least:
            best = side
    if best is None:
        raise OptionError("the graph has no vertices to split")
    return best


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
    starts.sort(key=lambda side: _cut(graph, side))
    return min((refined(graph, side, low, high) for side in starts[:REFINED]), key=lambda found: found[1])


def _cut(graph: WeightedGraph, assignment: np.ndarray) -> float:
    row = np.repeat(np.arange(graph.order), np.diff(graph.starts))
    return float(graph.weights[assignment[row] != assignment[graph.neighbours]].sum()) / 2


def _largest_allowed(graph: WeightedGraph, parts: int, imbalance: float) -> float:
    mean = float(graph.sizes.sum()) / parts
    whole = float(graph.sizes.max())
    allowed = max((1 + imbalance) * mean, whole * float(np.ceil(mean / whole - 1e-12)))
    integers = (graph.sizes == np.round(graph.sizes)).all()  # what is left of a vertex fits nowhere
    return float(np.floor(allowed + 1e-9)) if integers else allowed


def _verdict(graph: WeightedGraph, dataset: xarray.Dataset, allowed: float) -> tuple[Verdict, str]:
    from scipy.sparse.csgraph import connected_components

    sizes, cut = dataset["size"].values, float(dataset["cut"])
    if sizes.max() > allowed * (1 + 1e-12) or (sizes == 0).any():
        reason = f"part {int(sizes.argmax())} has size {sizes.max():g}, more than {allowed:g}; raise imbalance"
        return Verdict.NOT_FOUND, reason
    pieces = int((dataset["connected"].values == 0).sum())
    whole = connected_components(graph.matrix(), directed=False)[0] == 1
    found = f"a cut of {cut:g} between parts of size {sizes.min():g} to {sizes.max():g}"
    if pieces and whole:
        reason = f"{found}, but {pieces} part(s) fall into pieces; try another seed or a larger imbalance"
        return Verdict.INCONCLUSIVE, reason
    return Verdict.FEASIBLE, f"{found}; no smaller cut was found, which proves none"


def _dataset(graph: WeightedGraph, assignment: np.ndarray, parts: int, allowed: float, method: str) -> xarray.Dataset:
    import xarray
    from scipy.sparse.csgraph import connected_components

    cut = _cut(graph, assignment)
    sizes = np.bincount(assignment, weights=graph.sizes, minlength=parts)
    connected = np.zeros(parts, dtype=np.int8)
    for part in range(parts):
        inside = np.flatnonzero(assignment == part)
        if inside.size:
            connected[part] = connected_components(graph.subgraph(inside).matrix(), directed=False)[0] == 1
    units, excess = {"units": "1"}, float(sizes.max()) * parts / float(sizes.sum()) - 1
    return xarray.Dataset(
        {
            "assignment": ("vertex", assignment, {**units, "long_name": "part of the vertex"}),
            "size": ("part", sizes, {**units, "long_name": "size of the part"}),
            "connected": ("part", connected, {**units, "long_name": "1 where the part is connected"}),
            "cut": ((), cut, {**units, "long_name": "weight of the edges between parts"}),
            "imbalance": ((), excess, {**units, "long_name": "largest size over the mean, minus 1"}),
            "largest_allowed": ((), allowed, {**units, "long_name": "largest size that is allowed"}),
        },
        coords={
            "vertex": ("vertex", np.arange(graph.order), {**units, "long_name": "vertex"}),
            "part": ("part", np.arange(parts), {**units, "long_name": "part"}),
        },
        attrs={"method": method},
    )


def _check(graph: WeightedGraph, parts: Any, imbalance: Any, method: str) -> None:
    if isinstance(parts, bool) or not isinstance(parts, (int, np.integer)) or not 1 <= parts <= graph.order:
        raise OptionError(f"parts is a whole number from 1 to the {graph.order} vertices, got {parts!r}")
    if not (isinstance(imbalance, (int, float)) and 0 <= imbalance < np.inf):
        raise OptionError(f"imbalance is a share that is not negative, such as 0.03; got {imbalance!r}")
    if method not in METHODS:
        raise OptionError(f"method is one of {listing(METHODS)}, got {method!r}{nearest(str(method), METHODS)}")
