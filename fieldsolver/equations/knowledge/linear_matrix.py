"""The sparse matrix of the linear part, found by applying it to few vectors.

Columns that share no row are found together (A. R. Curtis, M. J. D. Powell & J. K. Reid, J. Inst. Maths Applics 13
(1974) 117). On a grid the colours are known beforehand: points further apart than twice the reach of L along some axis
share no row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from fieldsolver.errors import EquationError
from fieldsolver.space.graphs import Graph
from fieldsolver.space.solvers import SparseMatrix

from ..graph import MatrixSymbol
from ..lowering import Layout
from .affine import LinearTerm
from .jacobian import colour_columns
from .linear_rates import LinearRates
from .reach import reach
from .spectra import axes_of
from .vertices import within

MOST_NUMBERS = 2**24
"""So many numbers of L times unit vectors are held at once."""


def sparse_matrix(rates: LinearRates, components: Sequence[int], terms: Sequence[LinearTerm]) -> SparseMatrix:
    """L on some components that it does not couple to others, flattened as ``(n, *grid)``.

    Its values carry the graph of the parameters.

    Args:
        rates: the linear part.
        components: places in the state.
        terms: the terms in their rates.

    Raises:
        EquationError: a term reaches further than its stencil says.
    """
    layout, count = rates.layout, len(components)
    colour, colours, row, column = _on_graph(layout.graph, terms) if layout.graph else _on_grid(layout, terms)
    points = colour.size
    # Every component of a column may act on every component of a row.
    seed = np.arange(count)[:, None] * colours + colour[column]  # (component of the column, entry)
    parts = []
    for low, high, block in _products(rates, components, colour, colours):
        chosen_component, entry = np.nonzero((seed >= low) & (seed < high))
        local = torch.from_numpy(seed[chosen_component, entry] - low)
        rows, columns = torch.from_numpy(row[entry]), torch.from_numpy(column[entry] + points * chosen_component)
        for i in range(count):
            parts.append((block[local, i, rows], rows + points * i, columns))
    values, rows, columns = (torch.cat(part) for part in zip(*parts, strict=True))
    if not values.requires_grad:  # else an entry may be zero today only
        kept = values != 0
        values, rows, columns = values[kept], rows[kept], columns[kept]
    matrix = SparseMatrix(values, rows, columns, points * count)
    _check(rates, components, matrix)
    return matrix


def _on_grid(layout: Layout, terms: Sequence[LinearTerm]) -> tuple[np.ndarray, int, np.ndarray, np.ndarray]:
    """A colour for each point, their number, and row and column of every entry that may not be zero."""
    offsets = _offsets(layout, terms)
    width = np.abs(np.array(sorted(offsets)).reshape(len(offsets), -1)).max(0, initial=0)
    return (*_colours(layout, width), *_pairs(layout, offsets))


def _on_graph(graph: Graph, terms: Sequence[LinearTerm]) -> tuple[np.ndarray, int, np.ndarray, np.ndarray]:
    """The same between vertices, as far apart as a term has operators."""
    hops = max(sum(2 if name == "biharmonic" else 1 for name in term.operators) for term in terms)
    pattern = csr_array(within(graph, hops))
    colour = colour_columns(pattern)
    row, column = pattern.nonzero()
    return colour, int(colour.max()) + 1, row, column


def _products(
    rates: LinearRates, components: Sequence[int], colour: np.ndarray, colours: int
) -> Iterator[tuple[int, int, Tensor]]:
    """Products of L with the sums of unit vectors of one colour and component, ``(seeds, n, points)``, in parts."""
    count, points, shape = len(components), colour.size, rates.equation.space.grid_shape
    dtype = torch.complex128 if rates.equation.is_complex else torch.float64
    step = max(1, MOST_NUMBERS // (count * points))
    for low in range(0, colours * count, step):
        high = min(low + step, colours * count)
        seeds = np.zeros((high - low, count, points))
        for place, seed in enumerate(range(low, high)):
            seeds[place, seed // colours] = colour == seed % colours
        vectors = torch.from_numpy(seeds).to(dtype).reshape(-1, count, *shape)
        yield low, high, rates.on(components, vectors).reshape(-1, count, points)


def _offsets(layout: Layout, terms: Sequence[LinearTerm]) -> set[tuple[int, ...]]:
    """Where, seen from a point, its rate takes information."""
    dimension = layout.dimension
    offsets = {(0,) * dimension}
    for term in terms:
        width = [0] * dimension
        turns = isinstance(term.inside, MatrixSymbol) or layout.metric is not None
        for name in term.operators:
            for axis in axes_of(layout, name):
                # The cross terms of a matrix or a metric reach one point further at walls.
                own = _reach(layout, name, axis) + turns
                width[axis] = min(width[axis] + own, layout.required_grid().shape[axis] - 1)
        if len(term.operators) == 1 and not turns and not layout.isotropic:
            for axis, reached in enumerate(width):
                offsets |= {(0,) * axis + (k,) + (0,) * (dimension - axis - 1) for k in range(-reached, reached + 1)}
        else:
            offsets |= set(_box(width))
    return offsets


def _box(width: Sequence[int]) -> Iterator[tuple[int, ...]]:
    for index in np.ndindex(*(2 * w + 1 for w in width)):
        yield tuple(i - w for i, w in zip(index, width, strict=True))


def _reach(layout: Layout, name: str, axis: int) -> int:
    if layout.penalises(axis):
        # The longest closures: of order 6 with nine points, and twice that for penalties on a derivative at the wall.
        return min(2 * int(layout.schemes[axis].order) + 2, layout.required_grid().shape[axis] - 1)
    return reach(layout, name, axis)


def _colours(layout: Layout, width: np.ndarray) -> tuple[np.ndarray, int]:
    """A colour for each point, and their number: along each axis a period, and what is left over on closed axes."""
    colour, total = np.zeros((), dtype=np.int64), 1
    for axis, reached in enumerate(width):
        points = layout.required_grid().shape[axis]
        period = min(2 * int(reached) + 1, points)
        own = np.arange(points) % period
        number = period
        rest = points % period
        if rest and layout.is_closed(axis):  # the last points meet the first ones
            own[points - rest :] = period + np.arange(rest)
            number += rest
        colour, total = np.add.outer(colour * number, own), total * number
    return colour.ravel(), total


def _pairs(layout: Layout, offsets: set[tuple[int, ...]]) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of every entry that may not be zero, each once."""
    shape = layout.required_grid().shape if layout.grid is not None else ()
    points = math.prod(shape)
    index = np.stack(np.unravel_index(np.arange(points), shape)) if shape else np.zeros((0, 1), dtype=np.int64)
    keys = []
    for offset in offsets:
        target = index + np.array(offset, dtype=np.int64).reshape(-1, 1)
        inside = np.ones(points, dtype=bool)
        for axis, n in enumerate(shape):
            if layout.is_closed(axis):
                target[axis] %= n
            else:
                inside &= (target[axis] >= 0) & (target[axis] < n)
        column = np.ravel_multi_index(tuple(target[:, inside]), shape) if shape else np.zeros(1, dtype=np.int64)
        keys.append(np.arange(points)[inside] * points + column)
    unique = np.unique(np.concatenate(keys))
    return unique // points, unique % points


def _check(rates: LinearRates, components: Sequence[int], matrix: SparseMatrix) -> None:
    shape = (len(components), *rates.equation.space.grid_shape)
    v = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(matrix.values.dtype)
    with torch.no_grad():
        wanted = rates.on(components, v).reshape(-1)
        found = matrix.product(v.reshape(-1), matrix.values, transpose=False)
    if not (wanted - found).abs().max() <= 1e-9 * wanted.abs().max():
        raise EquationError(
            "the linear part couples points further apart than its stencils say, so its sparse matrix is not known; "
            "solve with equation.jacobian().product in an iterative method"
        )
