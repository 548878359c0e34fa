"""`graph_partition`: vertices in parts of equal size with few edges between them; every answer is verified."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, Verdict, VerdictNotReached

from ..partitioning.checks import one_of, real_number, whole_number
from .adjacency import WeightedGraph, weighted_graph
from .assignment import Assigned, assigned
from .balance import largest_allowed, largest_by_vertices

if TYPE_CHECKING:
    import xarray

SCHEMA = "graph_partition/1"
METHODS: tuple[str, ...] = ("auto", "spectral", "metis")


class GraphPartition(AnalysisResult):
    """Parts of a graph."""

    @property
    def assignment(self) -> np.ndarray:
        """The part of each vertex ``(n,)``; raises `VerdictNotReached` where the bound is not kept."""
        self._must_be_found()
        return np.asarray(self["assignment"].values)

    @property
    def cut(self) -> float:
        """The weight of the edges between parts; raises as `assignment`."""
        self._must_be_found()
        return float(self["cut"])

    def _must_be_found(self) -> None:
        if self.status in (Verdict.NOT_FOUND, Verdict.TIMEOUT):
            raise VerdictNotReached(f"there is no partition: {self.reason}")


def graph_partition(
    graph: Any, parts: int = 2, *, sizes: Any = None, imbalance: float = 0.03, method: str = "auto", seed: int = 0
) -> GraphPartition:
    """Split the vertices of a graph.

    Args:
        graph: a symmetric matrix, a networkx graph, or a list of edges; see `weighted_graph`.
        parts: k, from 1 to n.
        sizes: weights of the vertices ``(n,)``; None gives each 1.
        imbalance: no part may be larger than (1 + imbalance) times the mean, or than the mean rounded up to a multiple
            of the sizes' greatest common divisor (a whole vertex, where all are alike). Where no parts keep that, the
            mean rounded up to multiples of the largest vertex is allowed, and the reason says so.
        method: ``"spectral"`` (heavy-edge coarsening, eigenspaces of the Laplacian, Fiduccia-Mattheyses
            refinement, by bisections), ``"metis"`` (pymetis), or ``"auto"``: METIS where it is installed, and
            bisections where it is not, fails or the graph is small (5000 vertices); the better cut is taken. Where
            none keeps the bound, the sizes are partitioned as numbers.
        seed: of the coarsening, and of METIS; the same seed gives the same parts.

    Returns:
        Schema ``graph_partition/1``, dimensions ``vertex`` (`assignment`) and ``part`` (`size`, `connected`); scalars
        `cut`, `imbalance`, `largest_allowed`. FEASIBLE: balance holds and every part of a connected graph is connected;
        the cut is an upper bound of the least one. INCONCLUSIVE: balanced, but a part falls into pieces. NOT_FOUND: no
        parts keep the balance. TIMEOUT: none were found that do, and there may be some. Of these two `assignment` and
        `connected` hold -1, `cut`, `size` and `imbalance` NaN.

    Raises:
        OptionError: no graph, or an option that makes no sense.
        MissingDependencyError: ``method="metis"`` without pymetis.
    """
    whole = weighted_graph(graph, sizes)
    parts = whole_number("parts", parts, 1)
    if parts > whole.order:
        raise OptionError(f"parts is a whole number from 1 to the {whole.order} vertices, got {parts!r}")
    share = real_number("imbalance", imbalance, "a share from 0 on, such as 0.03")
    seed = whole_number("seed", seed, 0)
    found, allowed, note = _within(whole, parts, share, one_of("method", method, METHODS), seed)
    dataset = _dataset(whole, found, parts, allowed)
    status, reason = _verdict(whole, found, dataset)
    return GraphPartition(dataset, status, note + reason, SCHEMA)


def _within(graph: WeightedGraph, parts: int, imbalance: float, method: str, seed: int) -> tuple[Assigned, float, str]:
    """Parts, the bound that they were looked for with, and what has to be said of it."""
    asked = largest_allowed(graph.sizes, parts, imbalance)
    found = assigned(graph, parts, asked, method, seed)
    more = largest_by_vertices(graph.sizes, parts)
    if found.assignment is not None or more <= asked:
        return found, asked, ""
    what = "no parts hold" if found.impossible else "no parts were found that hold"
    note = f"{what} at most {asked:g} each, so {more:g} is allowed (the mean rounded up to the largest vertex); "
    return assigned(graph, parts, more, method, seed), more, note


def _verdict(graph: WeightedGraph, found: Assigned, dataset: xarray.Dataset) -> tuple[Verdict, str]:
    allowed, cut = float(dataset["largest_allowed"]), float(dataset["cut"])
    if found.assignment is None and found.impossible:
        return Verdict.NOT_FOUND, f"no parts hold at most {allowed:g} each, whatever the cut; raise imbalance"
    if found.assignment is None:
        return Verdict.TIMEOUT, f"no parts that hold at most {allowed:g} each were found in time; raise imbalance"
    sizes = dataset["size"].values
    said = f"a cut of {cut:g} between parts of size {sizes.min():g} to {sizes.max():g}"
    pieces = int((dataset["connected"].values == 0).sum())
    if pieces and graph.components()[0] == 1:
        reason = f"{said}, but {pieces} part(s) fall into pieces; try another seed or a larger imbalance"
        return Verdict.INCONCLUSIVE, reason
    end = "was found, which proves none" if cut else "is possible"
    return Verdict.FEASIBLE, f"{said}; no smaller cut {end}"


def _dataset(graph: WeightedGraph, found: Assigned, parts: int, allowed: float) -> xarray.Dataset:
    import xarray

    assignment, connected = np.full(graph.order, -1), np.full(parts, -1)
    sizes, cut = np.full(parts, np.nan), np.nan
    if found.assignment is not None:
        assignment = found.assignment
        connected, cut = graph.connected(assignment, parts), graph.cut(assignment)
        sizes = graph.part_sizes(assignment, parts)
    units, excess = {"units": "1"}, float(sizes.max()) * parts / float(graph.sizes.sum()) - 1
    return xarray.Dataset(
        {
            "assignment": ("vertex", assignment, {**units, "long_name": "part of the vertex, -1 for none"}),
            "size": ("part", sizes, {**units, "long_name": "size of the part"}),
            "connected": ("part", connected.astype(np.int8), {**units, "long_name": "1 where the part is connected"}),
            "cut": ((), cut, {**units, "long_name": "weight of the edges between parts"}),
            "imbalance": ((), excess, {**units, "long_name": "largest size over the mean, minus 1"}),
            "largest_allowed": ((), allowed, {**units, "long_name": "largest size that is allowed"}),
        },
        coords={
            "vertex": ("vertex", np.arange(graph.order), {**units, "long_name": "vertex"}),
            "part": ("part", np.arange(parts), {**units, "long_name": "part"}),
        },
        attrs={"method": found.method},
    )
