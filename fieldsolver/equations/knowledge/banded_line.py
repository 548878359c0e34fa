"""One axis: components side by side at every point make L a band."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fieldsolver.space.solvers import BandedSolve
from fieldsolver.space.solvers.protocol import Shift

from .affine import LinearTerm
from .held_nodes import free_mask
from .linear_matrix import sparse_matrix
from .linear_rates import LinearRates


class BandedLine:
    """A `BandedSolve` on unknowns in another order, with zeros on nodes that are held.

    Args:
        solver: of the unknowns in the order of the band.
        order: the place in ``(C, N)``, flattened, of every unknown of the band.
        free: ``(C, N)``, zero on held nodes and one elsewhere; None if none is held.
    """

    name = BandedSolve.name

    def __init__(self, solver: BandedSolve, order: Tensor, free: Tensor | None) -> None:
        self.solver, self.reason, self.free = solver, solver.reason, free
        self._order, self._back = order, order.argsort()

    def solve(self, b: Tensor, c: Shift) -> Tensor:
        """Return x for b ``(*batch, C, N)``; see `ShiftedSolver`."""
        if self.free is not None:
            b = b * self.free.to(b.device, b.dtype)
        band = b.flatten(-2)[..., self._order.to(b.device)]
        return self.solver.solve(band, c)[..., self._back.to(b.device)].reshape(b.shape)


def banded_line(
    rates: LinearRates, components: Sequence[int], terms: Sequence[LinearTerm], fields: Sequence[str]
) -> BandedLine:
    """The solver of some components of an equation on one axis.

    On a closed axis the points of both ends stand alternately, ``0, N - 1, 1, N - 2, ...``: neighbours through the end
    stay neighbours, and the band becomes twice as wide.
    """
    matrix = sparse_matrix(rates, components, terms)
    (points,) = rates.layout.required_grid().shape
    places = torch.arange(points)
    if rates.layout.is_closed(0):
        places = torch.stack((places, places.flip(0)), 1).flatten()[:points]
    order = (torch.arange(len(components)) * points + places[:, None]).flatten()
    place = order.argsort()
    row, column = place[matrix.rows], place[matrix.columns]
    distance = column - row
    lower, upper = int((-distance).numpy().max(initial=0)), int(distance.numpy().max(initial=0))
    bands = torch.zeros(lower + 1 + upper, matrix.size, dtype=matrix.values.dtype)
    bands = bands.index_put((upper - distance, column), matrix.values)
    return BandedLine(BandedSolve(bands, lower, upper), order, free_mask(rates.layout, fields))
