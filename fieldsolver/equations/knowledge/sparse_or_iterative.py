"""No basis fits: sparse LU, or conjugate gradients with a preconditioner of mean coefficients or of multigrid."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fieldsolver.errors import GridError, OptionError
from fieldsolver.space.boundary import Dirichlet, Neumann, Robin, is_closed
from fieldsolver.space.solvers import (
    LinearOperator,
    Multigrid,
    Preconditioner,
    SeriesTransform,
    ShiftedSolver,
    TransformSolve,
    faces_between_cells,
    robin_wall,
)
from fieldsolver.space.solvers import shifted_solver as fastest
from fieldsolver.space.solvers.inner_product import InnerProduct, check_symmetric
from fieldsolver.space.solvers.protocol import Shift

from ..graph import MatrixSymbol
from ..lowering import Layout
from .affine import LinearTerm
from .axis_bases import series
from .held_nodes import free_mask
from .linear_matrix import sparse_matrix
from .linear_rates import LinearRates, varies
from .linear_symbols import eigenvalues
from .vertices import current_graph, vertex_weights

HIGH_CONTRAST = 30.0
"""Iterations with mean coefficients grow as the square root of the ratio of the largest to the smallest."""


class OnUnknowns:
    """A solver with zeros on nodes that are held.

    Args:
        solver: of all numbers of the state; L has zeros in the rows and columns of held nodes.
        free: ``(C, *grid)``, zero on held nodes and one elsewhere.
    """

    def __init__(self, solver: ShiftedSolver, free: Tensor) -> None:
        self.solver, self.free = solver, free
        self.name, self.reason = solver.name, solver.reason

    def solve(self, b: Tensor, c: Shift) -> Tensor:
        """Return x for b ``(*batch, C, *grid)``; see `ShiftedSolver`."""
        return self.solver.solve(b * self.free.to(b.device, b.dtype), c)


def sparse_or_iterative(
    rates: LinearRates, components: Sequence[int], terms: Sequence[LinearTerm], fields: Sequence[str]
) -> ShiftedSolver:
    """The solver of some components that L does not couple to others."""
    layout, alone = rates.layout, len(components) == 1
    axis = -1 - layout.dimension

    def apply(v: Tensor, *parameters: Tensor) -> Tensor:
        if alone:
            return rates.on(components, v.unsqueeze(axis), *parameters).squeeze(axis)
        return rates.on(components, v, *parameters)

    # One component is one more axis of the batch, and how much LU fills in is judged by the axes of the grid.
    shape = tuple(rates.equation.space.grid_shape) if alone else (len(components), *rates.equation.space.grid_shape)
    graph = current_graph(rates.equation)
    norm = layout.weights() if graph is None else vertex_weights(graph)
    symmetric = _is_symmetric(apply, shape, norm, is_complex=rates.equation.is_complex)
    operator = LinearOperator(
        shape,
        matrix=lambda: sparse_matrix(rates, components, terms),
        apply=apply,
        parameters=rates.parameters,
        symmetric=symmetric,
        norm=norm,
        preconditioner=_preconditioner(rates, terms, fields) if symmetric else None,
    )
    solver, free = fastest(operator).solver, free_mask(layout, fields)
    return solver if free is None else OnUnknowns(solver, free)


def _is_symmetric(apply: object, shape: tuple[int, ...], norm: Tensor, *, is_complex: bool) -> bool:
    like = torch.zeros(shape, dtype=torch.complex128 if is_complex else torch.float64)
    try:
        with torch.no_grad():
            check_symmetric(apply, InnerProduct(shape, norm), like, "L")  # type: ignore[arg-type]  # a function
    except OptionError:
        return False
    return True


def _preconditioner(rates: LinearRates, terms: Sequence[LinearTerm], fields: Sequence[str]) -> Preconditioner | None:
    if rates.layout.graph is not None or not all(term.is_diagonal for term in terms):
        return None
    if any(isinstance(term.inside, MatrixSymbol) for term in terms):
        return None
    with torch.no_grad():
        multigrid = _multigrid(rates, terms, fields)
        if multigrid is not None:
            return multigrid
        basis = series(rates.layout, fields[0], [name for term in terms for name in term.operators])
        if basis is None:
            return None
        return TransformSolve(SeriesTransform(basis.lines), eigenvalues(rates, fields, terms, basis))


def _multigrid(rates: LinearRates, terms: Sequence[LinearTerm], fields: Sequence[str]) -> Multigrid | None:
    """A V-cycle for one diffusion term with a coefficient of high contrast."""
    layout, diffusion = rates.layout, [term for term in terms if term.operators]
    walls = [_walls(layout, fields[0], axis) for axis in range(layout.dimension)]
    if len(fields) > 1 or len(diffusion) != 1 or diffusion[0].operators != ("diffusion",) or "none" in walls:
        return None
    (term,) = diffusion
    if term.inside is None or not varies(term):
        return None
    grid = layout.required_grid()
    D = (rates.value(term.coefficient) * rates.value(term.inside)).expand(1, *grid.shape)
    if D.is_complex() or not (D > 0).all() or D.max() < HIGH_CONTRAST * D.min():
        return None
    ends = [wall for wall in walls if not isinstance(wall, str)]
    try:
        return Multigrid(faces_between_cells(D, ends), grid.spacing, ends)
    except GridError:
        return None


def _walls(layout: Layout, field: str, axis: int) -> tuple[float, float] | str | None:
    """Both ends of an axis as multigrid states them; ``"none"`` if it does not know them."""
    grid = layout.required_grid()
    low, high = (layout.conditions[field][axis, end] for end in (0, 1))
    if layout.is_periodic(axis):
        return None
    if grid.has_end_nodes(axis) or not layout.reflects(axis) or is_closed(low):
        return "none"
    ends = []
    for condition in (low, high):
        match condition:
            case Neumann():
                ends.append(0.0)
            case Dirichlet():
                ends.append(2.0)
            case Robin(a=a, b=b):
                ends.append(robin_wall(a, b, grid.spacing[axis]))
            case _:
                return "none"
    return ends[0], ends[1]
