"""Graphs as symmetric sparse matrices of edge weights, whatever they came as."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldsolver.errors import OptionError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Floats = np.ndarray


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
    given = np.ones(count) if sizes is None else np.asarray(sizes, dtype=np.float64)
    if given.shape != (count,) or not np.isfinite(given).all() or (given <= 0).any():
        raise OptionError(f"sizes needs {count} positive numbers, one per vertex; got shape {given.shape}")
    return from_matrix(matrix, given)


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
        return sparse.csr_array(graph, dtype=np.float64)
    if hasattr(graph, "nodes") and hasattr(graph, "edges"):  # networkx, without importing it
        place = {node: index for index, node in enumerate(graph.nodes)}
        edges = [(place[a], place[b], data.get("weight", 1.0)) for a, b, data in graph.edges(data=True)]
        return _of_edges(edges, len(place))
    listed = isinstance(graph, (list, tuple))
    array = np.asarray(graph, dtype=np.float64) if not isinstance(graph, np.ndarray) else graph
    square = array.ndim == 2 and array.shape[0] == array.shape[1]
    if listed and square and len(array) in (2, 3) and isinstance(graph[0], list) and _like_a_matrix(array):
        raise OptionError(
            f"a list of {len(array)} lists is a matrix or edges; pass np.array(...) for a symmetric matrix, or edges "
            "as tuples: [(0, 1), (1, 2)]"
        )
    if square and not (listed and len(array) in (2, 3)):
        return sparse.csr_array(array.astype(np.float64))
    if array.ndim == 2 and array.shape[1] in (2, 3):
        weights = array[:, 2] if array.shape[1] == 3 else np.ones(len(array))
        return _of_edges(list(zip(array[:, 0], array[:, 1], weights, strict=True)), int(array[:, :2].max()) + 1)
    raise OptionError(
        f"a graph is a symmetric matrix (n, n), a networkx graph, or a list of edges (i, j) or (i, j, weight); got an "
        f"array of shape {array.shape}"
    )


def _like_a_matrix(array: Floats) -> bool:
    return bool((array == array.T).all() and not array.diagonal().any())


def _of_edges(edges: list[tuple[Any, Any, Any]], count: int) -> csr_array:
    from scipy import sparse

    if not edges:
        return sparse.csr_array((count, count), dtype=np.float64)
    first, second, weights = (np.array(column) for column in zip(*edges, strict=True))
    ends = np.concatenate([first, second]).astype(np.int64)
    if (ends < 0).any() or (ends != np.concatenate([first, second])).any():
        raise OptionError("edges join vertices 0, 1, 2, ...: whole numbers that are not negative")
    others = np.concatenate([second, first]).astype(np.int64)
    return sparse.csr_array((np.tile(weights, 2).astype(np.float64), (ends, others)), shape=(count, count))
