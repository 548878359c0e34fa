"""Edges and weights of common graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from fieldsolver.errors import GridError

from ..grid import Grid
from .checks import checked_count


def path_edges(count: int) -> np.ndarray:
    """``0 - 1 - ... - (n - 1)``."""
    vertices = np.arange(checked_count(count, "n", 2))
    return np.stack([vertices[:-1], vertices[1:]], axis=1)


def cycle_edges(count: int) -> np.ndarray:
    """A path whose ends are joined."""
    vertices = np.arange(checked_count(count, "n", 3))
    return np.stack([vertices, np.roll(vertices, -1)], axis=1)


def causal_edges(count: int, window: int) -> np.ndarray:
    """``(j, i)`` for ``i - window <= j < i``, sorted by ``i``: every vertex hears its predecessors, not itself."""
    count, window = checked_count(count, "n", 2), checked_count(window, "window", 1)
    lags = np.arange(min(window, count - 1), 0, -1)
    listeners = np.repeat(np.arange(count), len(lags))
    edges = np.stack([listeners - np.tile(lags, count), listeners], axis=1)
    return edges[edges[:, 0] >= 0]


def grid_edges(grid: Grid, periodic: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours along the axes with weights ``1/h^2``; vertices count through the grid with the last axis fastest."""
    wrong = [name for name in periodic if name not in grid.axes]
    if wrong:
        raise GridError(f"periodic names the axis {wrong[0]!r}, but the grid has {', '.join(grid.axes)}")
    number = np.arange(grid.size).reshape(grid.shape)
    edges, weights = [], []
    for axis, (name, points, step) in enumerate(zip(grid.axes, grid.shape, grid.spacing, strict=True)):
        if grid.has_end_nodes(axis):
            raise GridError(
                f"axis {name!r} has nodes on its walls, whose half cells make the Laplacian of the grid unsymmetric; "
                "use a cell-centred grid or Grid(..., periodic=...)"
            )
        if not grid.is_uniform(axis):
            raise GridError(f"the weights 1/h^2 are those of a uniform grid, but {name!r} has nodes=; drop it")
        around = name in periodic or name in grid.periodic
        if around and points == 2:
            raise GridError(f"the periodic axis {name!r} has 2 points, whose neighbours on both sides are one; use 3")
        last = points if around else points - 1
        ahead = np.roll(number, -1, axis).take(np.arange(last), axis)
        behind = number.take(np.arange(last), axis)
        edges.append(np.stack([behind.ravel(), ahead.ravel()], axis=1))
        weights.append(np.full(behind.size, step**-2))
    return np.concatenate(edges), np.concatenate(weights)


def neighbour_edges(points: Any, count: int, length_scale: float | None) -> tuple[np.ndarray, np.ndarray, int]:
    """Edges to the `count` nearest points, either way; weights 1 or ``exp(-r^2 / (2 l^2))``; number of vertices."""
    from scipy.spatial import cKDTree

    places = np.asarray(points.detach().cpu() if isinstance(points, Tensor) else points, dtype=np.float64)
    if places.ndim != 2 or places.shape[1] == 0 or not np.isfinite(places).all():
        raise GridError(f"points are finite coordinates of shape (N, d), got the shape {places.shape}")
    vertices, count = len(places), checked_count(count, "k", 1)
    if count >= vertices:
        raise GridError(f"k={count} neighbours need more than {count} points, got {vertices}; lower k")
    if length_scale is not None and not 0 < length_scale < np.inf:
        raise GridError(f"length_scale is a positive length in the units of the points, got {length_scale!r}")
    distances, others = cKDTree(places).query(places, k=count + 1)
    own = others == np.arange(vertices)[:, None]
    own[~own.any(axis=1), -1] = True  # among coinciding points, a vertex may be missing from its own list
    listeners = np.repeat(np.arange(vertices), count)
    pairs = np.sort(np.stack([others[~own], listeners], axis=1), axis=1)
    edges, first = np.unique(pairs, axis=0, return_index=True)
    if length_scale is None:
        return edges, np.ones(len(edges)), vertices
    return edges, np.exp(-0.5 * (distances[~own][first] / length_scale) ** 2), vertices


def matrix_edges(matrix: Any, directed: bool) -> tuple[np.ndarray, np.ndarray, int]:
    """Edges of an adjacency matrix, ``A[i, j]`` the weight with which ``i`` hears ``j``; those of one place add up."""
    import scipy.sparse

    adjacency = _as_coo(matrix)
    if adjacency.ndim != 2 or adjacency.shape[0] != adjacency.shape[1]:
        raise GridError(f"an adjacency matrix is square, (N, N), got the shape {tuple(adjacency.shape)}")
    adjacency = adjacency.tocsr()
    adjacency.sum_duplicates()
    adjacency.eliminate_zeros()
    if not directed:
        _check_symmetric(adjacency)
        adjacency = scipy.sparse.tril(adjacency, format="csr")
    entries = adjacency.tocoo()
    return np.stack([entries.col, entries.row], axis=1).astype(np.int64), entries.data, adjacency.shape[0]


def _as_coo(matrix: Any) -> Any:
    import scipy.sparse

    if scipy.sparse.issparse(matrix):
        return matrix.tocoo(copy=True)
    if not isinstance(matrix, Tensor) or not (matrix.is_sparse or matrix.is_sparse_csr):
        raise GridError(f"from_sparse takes a SciPy or torch sparse matrix, got {type(matrix).__name__}")
    if matrix.requires_grad:
        raise GridError("a sparse matrix that is trained is given as Graph(edges, N, weights=weights)")
    entries = matrix.cpu().to_sparse_coo().coalesce()
    return scipy.sparse.coo_array((entries.values().numpy(), entries.indices().numpy()), tuple(entries.shape))


def _check_symmetric(adjacency: Any) -> None:
    difference = abs(adjacency - adjacency.T).tocoo()
    if difference.nnz and not difference.data.max() <= 1e-12 * abs(adjacency).max():
        place = int(np.argmax(np.nan_to_num(difference.data, nan=np.inf)))
        i, j = int(difference.row[place]), int(difference.col[place])
        raise GridError(
            f"an undirected graph has A[i, j] = A[j, i], got A[{i}, {j}] = {adjacency[i, j]:g} and "
            f"A[{j}, {i}] = {adjacency[j, i]:g}; make it symmetric or write directed=True"
        )
