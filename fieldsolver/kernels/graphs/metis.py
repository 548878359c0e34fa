"""Partitions by METIS, where pymetis is installed."""

from __future__ import annotations

import numpy as np

from fieldsolver.errors import MissingDependencyError

from .adjacency import WeightedGraph

LARGEST = 10**6
"""METIS counts in integers: weights are scaled to this range."""

TRIES = 10
"""Cuts of which METIS takes the best: one alone misses the 16 of a 16 x 16 grid."""

LARGEST_SUM = 2**30
"""METIS adds them up in 32 bits."""


def metis_assignment(graph: WeightedGraph, parts: int, allowed: float, seed: int) -> np.ndarray:
    """Parts ``(n,)``; METIS may miss the bound `allowed`, which is why its answer is verified like any other.

    Raises:
        MissingDependencyError: pymetis is not installed.
    """
    try:
        import pymetis
    except ImportError:
        raise MissingDependencyError("method='metis' needs the package 'pymetis'; pip install pymetis") from None
    if parts == 1:
        return np.zeros(graph.order, dtype=np.int64)
    excess = 1000 * (allowed * parts / graph.sizes.sum() - 1)
    options = pymetis.Options(ufactor=int(min(max(excess, 1), LARGEST)), seed=seed % 2**31, ncuts=TRIES)
    _, assignment = pymetis.part_graph(
        parts,
        pymetis.CSRAdjacency(graph.starts.tolist(), graph.neighbours.tolist()),
        eweights=_integers(graph.weights).tolist(),
        vweights=_integers(graph.sizes).tolist(),
        recursive=parts <= 8,
        options=options,
    )
    return np.asarray(assignment, dtype=np.int64)


def _integers(values: np.ndarray) -> np.ndarray:
    """Positive integers in about the same proportions; exactly so where their common unit leaves them small."""
    if not len(values):
        return values.astype(np.int64)
    with np.errstate(over="ignore"):  # infinite is too large as well
        in_units = np.ldexp(values, -_unit(values))
        if in_units.max() <= LARGEST and in_units.sum() <= LARGEST_SUM:
            return in_units.astype(np.int64)
    shares = values / values.max()
    scale = min(LARGEST, (LARGEST_SUM - len(values)) / shares.sum())
    return np.maximum(1, np.round(scale * shares)).astype(np.int64)


def _unit(values: np.ndarray) -> int:
    """The exponent of the largest power of two that all values are multiples of."""
    mantissa, exponent = np.frexp(values)
    whole = (mantissa * 2.0**53).astype(np.int64)
    return int((np.frexp((whole & -whole).astype(np.float64))[1] - 1 + exponent - 53).min())
