"""Two sides from the slow modes of the graph Laplacian: the sweep over a vector, and over a whole eigenspace.

The Fiedler vector splits a graph where its smallest oscillation changes sign. If the second eigenvalue is multiple
(grids, hypercubes), a solver returns any vector of its space, and most of them cut badly. Good ones have entries of two
values, or depend on one coordinate alone: they are independent components of the space, extremes of the fourth moment.

Sources: Pothen, Simon, Liou, *Partitioning sparse matrices with eigenvectors of graphs*, SIAM J. Matrix Anal. 11 (1990)
430; Hyvarinen, Oja, *A fast fixed-point algorithm for independent component analysis*, Neural Comput. 9 (1997) 1483.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .adjacency import WeightedGraph

DENSE = 400
SAME = 1e-4
"""Eigenvalues within this share of the second one count as equal to it."""
VECTORS = 8
DIRECTIONS = 24
FIXED_POINT_STEPS = 30


def slow_modes(graph: WeightedGraph, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The lowest eigenvalues above the first, rising, and their vectors ``(n, v)``."""
    from scipy.sparse import diags_array

    adjacency = graph.matrix()
    laplacian = (diags_array(adjacency.sum(axis=1)) - adjacency).tocsr()
    if graph.order <= DENSE:
        values, vectors = np.linalg.eigh(laplacian.toarray())
        return values[1 : VECTORS + 1], vectors[:, 1 : VECTORS + 1]
    return _lobpcg(laplacian, graph.order, seed)


def _lobpcg(laplacian: object, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    import warnings

    from scipy.sparse.linalg import lobpcg

    start = np.random.default_rng(seed).normal(size=(count, VECTORS))
    with warnings.catch_warnings():  # a rough vector is enough: refinement follows, and the cut is counted in the end
        warnings.simplefilter("ignore", UserWarning)
        values, vectors = lobpcg(laplacian, start, Y=np.ones((count, 1)), tol=1e-5, maxiter=200, largest=False)
    order = np.argsort(values)
    return values[order], vectors[:, order]


def directions(graph: WeightedGraph, seed: int) -> Iterator[np.ndarray]:
    """Vectors ``(n,)`` to sort the vertices by: the slow modes, and mixtures of those of one eigenvalue."""
    if graph.order < 3:
        yield np.arange(graph.order, dtype=np.float64)
        return
    values, vectors = slow_modes(graph, seed)
    equal = np.flatnonzero(values <= values[0] + SAME * max(abs(values[0]), 1e-12))
    yield from vectors[:, : max(2, len(equal))].T
    if len(equal) == 2:
        for angle in np.pi * np.arange(1, DIRECTIONS) / DIRECTIONS:
            yield np.cos(angle) * vectors[:, 0] + np.sin(angle) * vectors[:, 1]
    elif len(equal) > 2:
        generator = np.random.default_rng(seed)
        for mixture in generator.normal(size=(DIRECTIONS, len(equal))):
            yield vectors[:, equal] @ independent_component(vectors[:, equal], mixture)


def independent_component(vectors: np.ndarray, start: np.ndarray) -> np.ndarray:
    """A mixture ``(v,)`` of orthonormal vectors ``(n, v)`` whose fourth moment is extreme, from a start ``(v,)``."""
    count = len(vectors)
    mixture = start / np.linalg.norm(start)
    for _ in range(FIXED_POINT_STEPS):
        # E[z (z . c)^3] - 3 c for z of covariance 1, that is sqrt(n) times the rows
        following = count * (vectors.T @ (vectors @ mixture) ** 3) - 3 * mixture
        length = np.linalg.norm(following)
        if length == 0:
            break
        mixture = following / length
    return np.asarray(mixture)


def swept(graph: WeightedGraph, vector: np.ndarray, share: float) -> np.ndarray:
    """Sides ``(n,)``: the vertices with the least entries, up to a share of the total size, are side 0."""
    order = np.argsort(vector, kind="stable")
    before = np.cumsum(graph.sizes[order])
    side = np.ones(graph.order, dtype=np.int64)
    side[order[before - graph.sizes[order] / 2 <= share * before[-1]]] = 0
    return side
