"""Constant coefficients and an axis without a transform: the eigenvectors of one matrix for each axis."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.space.solvers import DiagonalisedSolve
from fieldsolver.space.solvers.protocol import Shift

from .affine import LinearTerm
from .axis_bases import norm_of, padded
from .line_matrix import line_matrix, line_points, line_weights
from .linear_rates import LinearRates
from .linear_symbols import component_weights
from .spectra import axes_of, kind_of

MOST_POINTS = 2048
"""Of an axis: its eigenvectors take seconds beyond."""


class AxisSolve:
    """A `DiagonalisedSolve` of the unknowns of each component; nodes that are held are zero.

    Args:
        solvers: one for each component, or one for all.
        spans: first unknown, number of unknowns and number of points of each axis.
    """

    name = DiagonalisedSolve.name

    def __init__(self, solvers: Sequence[DiagonalisedSolve], spans: Sequence[tuple[int, int, int]]) -> None:
        self.solvers, self.spans = tuple(solvers), tuple(spans)
        self.reason = self.solvers[0].reason

    def solve(self, b: Tensor, c: Shift) -> Tensor:
        """Return x for b ``(*batch, C, *grid)``; see `ShiftedSolver`."""
        dims = range(-len(self.spans), 0)
        for dim, (first, count, _) in zip(dims, self.spans, strict=True):
            b = b.narrow(dim, first, count)
        if len(self.solvers) == 1:
            x = self.solvers[0].solve(b, c)
        else:
            axis = -len(self.spans) - 1
            parts = zip(self.solvers, b.unbind(axis), strict=True)
            x = torch.stack([solver.solve(part, c) for solver, part in parts], axis)
        for dim, (first, _, points) in zip(dims, self.spans, strict=True):
            x = padded(x, dim, first, points)
        return x


def axis_solver(rates: LinearRates, fields: Sequence[str], terms: Sequence[LinearTerm]) -> AxisSolve | None:
    """The solver of fields that are not coupled; None if L is no sum of matrices of one axis, or they are too large.

    Args:
        rates: the linear part.
        fields: names.
        terms: of their rates, with constant coefficients.
    """
    layout = rates.layout
    shape = layout.required_grid().shape
    if layout.isotropic or max(shape) > MOST_POINTS or any(len(term.operators) > 1 for term in terms):
        return None
    (field,) = fields
    spans = []
    for axis, points in enumerate(shape):
        free = line_points(layout, field, axis)
        spans.append((free[0], len(free), points))
    size = layout.fields[field][1]
    weights = [component_weights(rates, term, size) for term in terms]
    equal = all(bool((w == w[0]).all()) for w in weights)
    solvers = []
    for component in range(1 if equal else size):
        matrices = _matrices(rates, field, terms, [w[component] for w in weights])
        norms = [norm_of(A, torch.from_numpy(line_weights(layout, field, axis))) for axis, A in enumerate(matrices)]
        solver = DiagonalisedSolve(matrices, norms)
        try:
            solver.prepare()
        except OptionError:
            return None
        solvers.append(solver)
    return AxisSolve(solvers, spans)


def _matrices(rates: LinearRates, field: str, terms: Sequence[LinearTerm], weights: Sequence[Tensor]) -> list[Tensor]:
    layout = rates.layout
    sizes = [len(line_points(layout, field, axis)) for axis in range(layout.dimension)]
    matrices = [torch.zeros(n, n, dtype=torch.float64) for n in sizes]
    for term, weight in zip(terms, weights, strict=True):
        if not term.operators:
            matrices[0] = matrices[0] + weight * torch.eye(sizes[0], dtype=torch.float64)
        for name in term.operators:
            for axis in axes_of(layout, name):
                line = torch.from_numpy(line_matrix(layout, field, axis, kind_of(name)))
                matrices[axis] = matrices[axis] + weight * line
    return matrices
