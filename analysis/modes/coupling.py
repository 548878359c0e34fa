"""Which components of a symbol act on each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .symbol import Symbol


def blocks(symbol: Symbol, *, one_way: bool) -> list[list[int]]:
    """Groups of components that no other group acts on, or, with `one_way`, that act on each other both ways.

    The growth rates of the symbol are those of its blocks, but a block that drives another without an answer can make
    it spread faster than either does alone (M. Holzer and A. Scheel, SIAM J. Math. Anal. 46, 397 (2014)).
    """
    from scipy.sparse.csgraph import connected_components

    acts = np.sum([np.abs(matrix) > 0 for matrix in symbol.terms.values()], axis=0) > 0
    count, label = connected_components(acts, directed=True, connection="strong" if one_way else "weak")
    return [np.flatnonzero(label == number).tolist() for number in range(count)]


def restricted(symbol: Symbol, block: Sequence[int]) -> Symbol:
    """The symbol of some of its components."""
    parts = {monomial: matrix[np.ix_(block, block)] for monomial, matrix in symbol.terms.items()}
    kept = {monomial: matrix for monomial, matrix in parts.items() if np.abs(matrix).max() > 0}
    return Symbol(kept or {(): np.zeros((len(block), len(block)), dtype=complex)}, symbol.kernels, symbol.dimension)
