"""Graphs as symmetric sparse matrices of edge weights, whatever they came as."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldsolver.errors import OptionError

from ..partitioning.checks import shown

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Floats = np.ndarray

LARGEST = float(np.finfo(np.float64).max)
MOST_VERTICES = 10**8


@dataclass(frozen=True)
class WeightedGraph:
    """An undirected graph in compressed rows, every edge in both directions, no loops.

    Attributes:
        starts: ``(n + 1,)``, where the neighbours of each vertex begin.
        neighbours: ``(2 m,)``.
        weights: ``(2 m,)``, positive.
        sizes: ``(n,)``, the weights of the vertices.
    """

    starts: np.ndarray
    neighbours: np.ndarray
    weights: Floats
    sizes: Floats

    @property
    def order(self) -> int:
        """The number of vertices."""
        return len(self.sizes)

    def matrix(self) -> csr_array:
        """The adjacency matrix ``(n, n)``."""
        from scipy.sparse import csr_array

        return csr_array((self.weights, self.neighbours, self.starts), shape=(self.order, self.order))

    def subgraph(self, vertices: np.ndarray) -> WeightedGraph:
        """The graph of some vertices and the edges between them."""
        return from_matrix(self.matrix()[vertices][:, vertices], self.sizes[vertices])

    def scaled(self) -> tuple[WeightedGraph, float]:
        """The same graph with largest sizes and weights from 1 to 2, and the unit of the sizes: powers of two."""
        size_unit, weight_unit = (_power_of_two(values) for values in (self.sizes, self.weights))
        weights, sizes = self.weights / weight_unit, self.sizes / size_unit
        return WeightedGraph(self.starts, self.neighbours, weights, sizes), size_unit

    def cut(self, assignment: np.ndarray) -> float:
        """The weight of the edges between the parts of an assignment ``(n,)``."""
        row = np.repeat(np.arange(self.order), np.diff(self.starts))
        return float(self.weights[assignment[row] != assignment[self.neighbours]].sum()) / 2

    def part_sizes(self, assignment: np.ndarray, parts: int) -> Floats:
        """What each part holds ``(k,)``."""
        return np.bincount(assignment, weights=self.sizes, minlength=parts)

    def components(self) -> tuple[int, np.ndarray]:
        """The number of connected components, and that of each vertex ``(n,)``."""
        from scipy.sparse.csgraph import connected_components

        count, component = connected_components(self.matrix(), directed=False)
        return int(count), np.asarray(component)

    def connected(self, assignment: np.ndarray, parts: int) -> np.ndarray:
        """Whether each part is connected ``(k,)``; an empty one is not."""
        inside = [np.flatnonzero(assignment == part) for part in range(parts)]
        return np.array([len(own) > 0 and self.subgraph(own).components()[0] == 1 for own in inside])


def _power_of_two(values: Floats) -> float:
    """The largest one that is no more than the largest value; 1 if there are no values."""
    return float(np.ldexp(1.0, int(np.frexp(values.max())[1]) - 1)) if len(values) else 1.0


def weighted_graph(graph: Any, sizes: Any = None) -> WeightedGraph:
    """Read a graph.

    Args:
        graph: a sparse or dense symmetric matrix ``(n, n)`` of edge weights, a networkx graph (its ``weight``
            attributes), or a list of edges ``(i, j)`` or ``(i, j, weight)``. A square array is always a matrix; an
            array ``(m, 2)`` or ``(m, 3)`` that is not square holds edges, and so does a list of such rows.
        sizes: weights of the vertices ``(n,)``, positive; None gives each 1.

    Raises:
        OptionError: no graph, a list that may be a matrix or edges, not symmetric, negative or infinite weights, or
            sizes of another number.
    """
    matrix = _matrix(graph)
    count = matrix.shape[0]
    if matrix.shape[1] != count:
        raise OptionError(f"the adjacency matrix must be square, got shape {matrix.shape}")
    if not count:
        raise OptionError("the graph has no vertices")
    if not np.isfinite(matrix.data).all() or (matrix.data < 0).any():
        raise OptionError("edge weights must be finite and not negative")
    if abs(matrix - matrix.T).max() > 0:
        raise OptionError("the graph is directed: its matrix is not symmetric; pass A + A.T to forget the directions")
    given = np.ones(count) if sizes is None else _numbers(sizes, "sizes")
    if given.shape != (count,) or not np.isfinite(given).all() or (given <= 0).any():
        raise OptionError(f"sizes needs {count} positive numbers, one per vertex; got {_told(given)}")
    for name, values in (("edge weights", matrix.data), ("sizes", given)):
        if len(values) and values.max() > LARGEST / (4 * len(values)):
            raise OptionError(f"{name} are too large to add up in floats, got {values.max():g}; divide them all")
    return from_matrix(matrix, given)


def _told(values: Floats) -> str:
    """The first entry that is no positive number, or the shape."""
    bad = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
    return f"{values.flat[bad[0]]:g} at position {bad[0]}" if values.ndim == 1 and len(bad) else f"shape {values.shape}"


def from_matrix(matrix: Any, sizes: Floats) -> WeightedGraph:
    """The graph of a symmetric sparse matrix, without its diagonal."""
    from scipy.sparse import csr_array

    coordinates = matrix.tocoo()
    row, column = coordinates.row, coordinates.col
    kept = (row != column) & (coordinates.data > 0)
    clean = csr_array((coordinates.data[kept], (row[kept], column[kept])), shape=matrix.shape, dtype=np.float64)
    clean.sum_duplicates()
    return WeightedGraph(clean.indptr.astype(np.int64), clean.indices.astype(np.int64), clean.data, sizes)


def _matrix(graph: Any) -> csr_array:
    from scipy import sparse

    if sparse.issparse(graph):
        return sparse.csr_array(_numbers(graph.tocoo(), "a matrix"))
    if hasattr(graph, "nodes") and hasattr(graph, "edges"):  # networkx, without importing it
        return _of_networkx(graph)
    listed = isinstance(graph, (list, tuple))
    array = _numbers(graph, "a graph (of edges between names, pass a networkx graph)")
    square = array.ndim == 2 and array.shape[0] == array.shape[1]
    if listed and square and len(array) in (2, 3) and isinstance(graph[0], list) and _like_a_matrix(array):
        raise OptionError(
            f"a list of {len(array)} lists is a matrix or edges; pass np.array(...) for a symmetric matrix, or edges "
            "as tuples: [(0, 1), (1, 2)]"
        )
    if square and not (listed and len(array) in (2, 3)):
        return sparse.csr_array(array)
    if array.ndim == 2 and array.shape[1] in (2, 3) and len(array):
        weights = array[:, 2] if array.shape[1] == 3 else np.ones(len(array))
        return _of_edges(array[:, 0], array[:, 1], weights)
    raise OptionError(
        f"a graph is a symmetric matrix (n, n), a networkx graph, or a list of edges (i, j) or (i, j, weight); got an "
        f"array of shape {array.shape}"
    )


def _numbers(values: Any, name: str) -> Any:
    """Real numbers as float64: an array, or a sparse matrix as it is."""
    from scipy import sparse

    if hasattr(values, "detach"):  # a tensor, of any dtype
        values = values.detach().cpu().tolist()
    try:
        array = values if sparse.issparse(values) else np.asarray(values)
        words = array.dtype == object and any(isinstance(one, str) for one in array.flat)
        if words or array.dtype.kind not in "biufO":
            raise TypeError
        return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise OptionError(f"{name}: expected real numbers in rows of one length, got {shown(values)}") from None


def _like_a_matrix(array: Floats) -> bool:
    return bool((array == array.T).all() and not array.diagonal().any())


def _of_networkx(graph: Any) -> csr_array:
    if graph.is_directed():
        raise OptionError("the graph is directed; pass graph.to_undirected() to forget the directions")
    place = {node: index for index, node in enumerate(graph.nodes)}
    rows = [(place[a], place[b], data.get("weight", 1.0)) for a, b, data in graph.edges(data=True)]
    first, second, weights = _numbers(rows, "edges").T if rows else np.zeros((3, 0))
    return _of_edges(first, second, weights, len(place))


def _of_edges(first: Floats, second: Floats, weights: Floats, count: int | None = None) -> csr_array:
    """The matrix of edges between vertices ``(m,)``, of `count` vertices or of those that are named."""
    from scipy import sparse

    ends = np.concatenate([first, second])
    if not ((ends >= 0) & (ends == np.floor(ends)) & (ends < MOST_VERTICES)).all():
        raise OptionError("edges join vertices 0, 1, 2, ...: whole numbers that are not negative and below 10**8")
    most = int(ends.max()) + 1 if count is None else count
    others = np.concatenate([second, first])
    entries = (np.tile(weights, 2), (ends.astype(np.int64), others.astype(np.int64)))
    return sparse.csr_array(entries, shape=(most, most))
