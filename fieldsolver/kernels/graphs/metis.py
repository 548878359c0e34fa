"""Partitions by METIS, where pymetis is installed."""

from __future__ import annotations

import numpy as np

from fieldsolver.errors import MissingDependencyError

from .adjacency import WeightedGraph

LARGEST = 10**6
"""METIS counts in integers: weights are scaled to this range."""


def metis_assignment(graph: WeightedGraph, parts: int, allowed: float) -> np.ndarray:
    """Parts ``(n,)``; METIS may miss the bound `allowed`, which is why its answer is verified like any other.

    Raises:
        MissingDependencyError: pymetis is not installed.
    """
    try:
        import pymetis
    except ImportError:
        raise MissingDependencyError("method='metis' needs the package 'pymetis'; pip install pymetis") from None
    options = pymetis.Options(ufactor=max(1, int(1000 * (allowed * parts / graph.sizes.sum() - 1))))
    _, assignment = pymetis.part_graph(
        parts,
        xadj=graph.starts.tolist(),
        adjncy=graph.neighbours.tolist(),
        eweights=_integers(graph.weights).tolist(),
        vweights=_integers(graph.sizes).tolist(),
        recursive=parts <= 8,
        options=options,
    )
    return np.asarray(assignment, dtype=np.int64)


def _integers(values: np.ndarray) -> np.ndarray:
    if (values == np.round(values)).all() and values.max(initial=0) <= LARGEST:
        return values.astype(np.int64)
    return np.maximum(1, np.round(values * (LARGEST / values.max()))).astype(np.int64)
