"""Fast solves of ``(1 - c L) x = b`` for the linear part L of an equation.

Fields that L couples form a group, and each group has the fastest solver that what is known of it allows:

1. transforms that diagonalise every term,
2. eigenvectors of one matrix for each axis, where coefficients are constant but an axis has no transform,
3. the LU of a band, on one axis,
4. sparse LU, and beyond the sizes where it fills in too much conjugate gradients, if L is symmetric.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fieldsolver.errors import EquationError, ParameterError, StateError, listing
from fieldsolver.space.coordinate_systems import CARTESIAN
from fieldsolver.space.solvers import CoupledTransformSolve, SeriesTransform, ShiftedSolver, TransformSolve
from fieldsolver.space.solvers.protocol import Shift, check_shape

from ..graph import MatrixSymbol
from ..lowering import Layout
from .affine import LinearTerm
from .axis_bases import Basis, eigenvectors, series
from .axis_solve import axis_solver
from .banded_line import banded_line
from .linear_part import kind_of_remainder
from .linear_rates import LinearRates, varies
from .linear_symbols import eigenvalues, symbols
from .sparse_or_iterative import sparse_or_iterative
from .spectra import absorbs

if TYPE_CHECKING:
    from ..field_equation import FieldEquation


@dataclass(frozen=True)
class Group:
    """Fields that L couples to each other and to no others.

    Attributes:
        fields: their names.
        components: their places in the state.
        terms: all terms in their rates.
    """

    fields: tuple[str, ...]
    components: tuple[int, ...]
    terms: tuple[LinearTerm, ...]

    @property
    def is_coupled(self) -> bool:
        """Whether a component acts on another."""
        return not all(term.is_diagonal for term in self.terms)

    @property
    def operators(self) -> list[str]:
        """The operators of all terms."""
        return [name for term in self.terms for name in term.operators]


@dataclass(frozen=True)
class _Part:
    components: tuple[int, ...]
    solver: ShiftedSolver
    reason: str


@dataclass(frozen=True, eq=False)
class ShiftedSolve:
    """Solves ``(1 - c L) x = b`` on states, L being the linear part of an equation without sources and boundary data.

    What depends on c is prepared at the first solve with that c and kept for the last few. L is that of the parameter
    values at which this was made: make another when they have changed. Gradients reach b, c and the parameters in the
    coefficients of L; a solver made from parameters that are trained carries one graph of them, so one backward pass
    goes through it.

    Values on walls that hold their nodes (Dirichlet walls on nodes, both ends of a Chebyshev axis) are not unknowns:
    they are ignored in b and zero in x; `FieldEquation.project` sets them.

    Attributes:
        name: of the solver; several, joined by ``+``, where groups of fields have different ones.
        reason: one sentence: why this one.
        shape: of one state, ``(C, *grid)``.
    """

    name: str
    reason: str
    shape: tuple[int, ...]
    parts: tuple[_Part, ...] = field(repr=False)

    def solve(self, b: Tensor, c: Shift) -> Tensor:
        """Return x for b ``(*batch, C, *grid)``.

        Args:
            b: right-hand sides, real or complex.
            c: a number, or a 0-dim tensor where its gradient is wanted.

        Raises:
            ParameterError: ``1 - c L`` is singular, or c is not finite.
            StateError: b is not ``(*batch, C, *grid)``.
            ConvergenceError: an iterative solver did not reach its tolerance.
        """
        _check_arguments(b, c, self.shape)
        if len(self.parts) == 1:
            return self.parts[0].solver.solve(b, c)
        axis = -len(self.shape)
        places = [torch.tensor(part.components, device=b.device) for part in self.parts]
        solved = [
            part.solver.solve(b.index_select(axis, place), c) for part, place in zip(self.parts, places, strict=True)
        ]
        return torch.cat(solved, axis).index_select(axis, torch.cat(places).argsort())


def shifted_solver(equation: FieldEquation, t: float = 0.0) -> ShiftedSolve:
    """The fastest solver of ``(1 - c L) x = b`` that applies to each group of fields; see `ShiftedSolve`.

    Args:
        equation: with its current parameter values.
        t: the time at which coefficients are taken.

    Raises:
        EquationError: a linear coefficient differs between samples, or fields lie on grids of different resolution.
    """
    if equation.layout.domains:
        raise EquationError("the fields lie on grids of different resolution, and no solver here serves them together")
    rates = LinearRates(equation, t)
    with torch.set_grad_enabled(torch.is_grad_enabled() and any(p.requires_grad for p in rates.parameters)):
        parts = _transformed(rates, groups := _groups(rates))
        done = {component for part in parts for component in part.components}
        parts += [_solver(rates, group) for group in groups if not done.issuperset(group.components)]
    names = dict.fromkeys(part.solver.name for part in parts)
    return ShiftedSolve(" + ".join(names), _reason(rates, parts), equation.state_shape, tuple(parts))


def _check_arguments(b: object, c: object, shape: tuple[int, ...]) -> None:
    if not isinstance(b, Tensor) or b.dtype not in (torch.float32, torch.float64, torch.complex64, torch.complex128):
        kind = b.dtype if isinstance(b, Tensor) else type(b).__name__
        raise StateError(f"the right-hand side is a tensor of float32, float64, complex64 or complex128, got {kind}")
    check_shape(b, shape)
    if 0 in b.shape:
        raise StateError(f"the right-hand side is empty, with shape {tuple(b.shape)}")
    number = isinstance(c, (int, float, complex)) and not isinstance(c, bool)
    if not number and not (isinstance(c, Tensor) and c.dim() == 0):
        raise ParameterError(f"c is a number or a 0-dim tensor, got {c!r}")


def _groups(rates: LinearRates) -> list[Group]:
    """The fields, in sets that L does not couple."""
    leader = {name: name for name in rates.layout.fields}
    links = [(term.row, term.field) for term in rates.terms]
    # A wave leaves through an absorbing wall at its velocity.
    links += [(name, f"d{name}/dt") for name in leader if f"d{name}/dt" in leader and absorbs(rates.layout, name)]
    for row, column in links:
        old, new = leader[row], leader[column]
        leader = {name: new if first == old else first for name, first in leader.items()}
    groups = []
    for first in dict.fromkeys(leader.values()):
        fields = tuple(name for name in leader if leader[name] == first)
        places = [range(start, start + size) for start, size in (rates.layout.fields[name] for name in fields)]
        terms = tuple(term for term in rates.terms if term.row in fields)
        groups.append(Group(fields, tuple(place for part in places for place in part), terms))
    return groups


def _transformed(rates: LinearRates, groups: Sequence[Group]) -> list[_Part]:
    """All groups that transforms diagonalise; those that are not coupled and share their transforms are one."""
    parts: list[_Part] = []
    shared: dict[tuple[object, ...], list[tuple[Group, Basis]]] = {}
    for group in groups:
        basis = _common_basis(rates, group, series)
        if basis is None:
            continue
        if group.is_coupled:
            parts.append(_coupled(rates, group, basis, "diagonal up to couplings in the transforms"))
        else:
            shared.setdefault(basis.lines, []).append((group, basis))
    for lines, members in shared.items():
        components = [place for group, _ in members for place in group.components]
        λ = torch.cat([eigenvalues(rates, group.fields, group.terms, basis) for group, basis in members])
        solver = TransformSolve(SeriesTransform(lines), λ)  # type: ignore[arg-type]  # keys are lines
        fields = [name for group, _ in members for name in group.fields]
        reason = f"every term of {listing(fields)} is diagonal in {_names(members[0][1])}"
        parts.append(_Part(tuple(components), solver, reason))
    return parts


def _common_basis(
    rates: LinearRates, group: Group, find: Callable[[Layout, str, list[str]], Basis | None]
) -> Basis | None:
    """The basis of all fields of a group, if its coefficients are constant and all fields have the same."""
    if _obstacle(rates, group):
        return None
    bases = [find(rates.layout, name, group.operators) for name in group.fields]
    first = bases[0]
    if first is None or any(basis is None for basis in bases):
        return None
    return first if len({_conditions(rates, name) for name in group.fields}) == 1 else None


def _conditions(rates: LinearRates, name: str) -> tuple[object, ...]:
    """The conditions of a field without their data."""
    sides = rates.layout.conditions[name]
    return tuple((s, type(end), getattr(end, "a", 0.0), getattr(end, "b", 0.0)) for s, end in sides.items())


def _coupled(rates: LinearRates, group: Group, basis: Basis, how: str) -> _Part:
    solver = CoupledTransformSolve(SeriesTransform(basis.lines), symbols(rates, group.fields, group.terms, basis))
    return _Part(group.components, solver, f"the terms of {listing(group.fields)} are {how} {_names(basis)}")


def _solver(rates: LinearRates, group: Group) -> _Part:
    """The solver of a group without transforms."""
    obstacle = _obstacle(rates, group)
    if not obstacle and not group.is_coupled:
        solver = axis_solver(rates, group.fields, group.terms)
        if solver is not None:
            return _Part(group.components, solver, f"an axis of {listing(group.fields)} has no transform")
    if group.is_coupled and (basis := _common_basis(rates, group, eigenvectors)) is not None:
        return _coupled(rates, group, basis, "diagonal up to couplings in the eigenvectors of the axes,")
    why = obstacle or f"no one basis fits all terms of {listing(group.fields)}"
    if rates.layout.dimension == 1 and rates.layout.graph is None:
        return _Part(group.components, banded_line(rates, group.components, group.terms, group.fields), why)
    return _Part(group.components, sparse_or_iterative(rates, group.components, group.terms, group.fields), why)


def _obstacle(rates: LinearRates, group: Group) -> str:
    """Why no basis of one axis after the other diagonalises a group; empty if one may."""
    grid = rates.layout.grid
    if rates.layout.graph is not None and group.operators:
        return "a graph has no transform"
    if grid is not None and grid.system != CARTESIAN:
        return f"{grid.system} coordinates couple the axes"
    if rates.layout.metric is not None and group.operators:
        return "a metric couples the axes"
    if rates.layout.mask is not None:
        return "a mask couples the axes"
    for term in group.terms:
        if varies(term):
            return f"the coefficient of {term} varies in space"
        if isinstance(term.inside, MatrixSymbol):
            return f"the matrix in {term} couples the axes"
    if any(absorbs(rates.layout, name) for name in group.fields):
        return "an absorbing wall couples a field to its velocity"
    return ""


def _names(basis: Basis) -> str:
    if not basis.lines:
        return "the components"
    return " x ".join(getattr(line, "kind", "eigenvectors") for line in basis.lines)


def _reason(rates: LinearRates, parts: Sequence[_Part]) -> str:
    reasons = [f"{part.reason}: {part.solver.name}" for part in parts]
    left_out = [rest for rest in rates.rest if kind_of_remainder(rest) != "source"]
    if left_out:
        reasons.append(f"not in L: {listing(map(str, left_out))}")
    return "; ".join(reasons)
