"""The linear part of an equation: its terms, their spectral bounds, and the eigenvalues of the whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldsolver.errors import listing

from ..build import number
from ..graph import (
    Depends,
    MatrixSymbol,
    ParameterSymbol,
    walk,
)
from .absorption import damped
from .affine import LinearTerm, Remainder, split
from .chains import chain_bound, multiplies
from .coefficient_values import CoefficientValues
from .domains import modes, operator_bound, transform_of
from .spectra import AxisModes, Bound, absorbs, operator_symbol
from .varying_coefficients import Box, Varying, row_box
from .widening import widened

if TYPE_CHECKING:
    from ..field_equation import FieldEquation

# Above this many modes the extremes are searched on a thinned set and the bound is no longer called exact.
MAX_MODES = 2**20
MAX_COUPLED = 16


@dataclass(frozen=True)
class TermReport:
    """One term of one equation.

    Attributes:
        row: the field whose rate it belongs to.
        text: the term as written.
        kind: ``"linear"``, ``"nonlinear"``, ``"nonlocal"``, ``"advection"`` (upwinded) or ``"source"``.
        bound: spectrum of a linear term, else None.
        reason: why the term is not linear; empty if it is.
    """

    row: str
    text: str
    kind: str
    bound: Bound | None
    reason: str = ""


@dataclass(frozen=True)
class LinearPart:
    """What is known of the linear part.

    Attributes:
        terms: every additive term with its bound.
        bound: the whole linear part.
        eigenvalues: all of them (possibly thinned to the extremes of equal modes) when the bound is exact, else None.
        transform: per axis, the transform that diagonalises it, or ``"none"``.
    """

    terms: tuple[TermReport, ...]
    bound: Bound
    eigenvalues: np.ndarray | None
    transform: tuple[str, ...]


def linear_part(equation: FieldEquation, t: float = 0.0) -> LinearPart:
    """Analyse the equation at its current parameter values; coefficients that change with time are taken at `t`."""
    linear: list[LinearTerm] = []
    reports: list[TermReport] = []
    values = CoefficientValues(equation, t)
    for row, node in equation.right_sides.items():
        terms, rest = split(row, node, equation.layout)
        linear.extend(terms)
        reports.extend(TermReport(row, str(term), "linear", term_bound(equation, term, values)) for term in terms)
        reports.extend(TermReport(row, str(r), kind_of_remainder(r), None, r.reason) for r in rest)
    obstacle = _obstacle(equation, linear)
    if not obstacle:
        eigenvalues, thinned = _eigenvalues(equation, linear, values)
        bound = _exact_bound(eigenvalues) if not thinned else _as_upper(_exact_bound(eigenvalues), "modes were thinned")
        if any(absorbs(equation.layout, name) for name in equation.fields):
            bound = damped(equation, bound, linear, values)
            return LinearPart(tuple(reports), widened(equation, bound, values), None, _transforms(equation))
        if any(report.kind in ("nonlocal", "advection") for report in reports):
            added = widened(equation, Bound("exact", 0.0, 0.0, 0.0), values)
            if added.radius > 0 and not _is_normal(equation, linear):
                bound = _sum_of_terms(equation, linear, values, "", alone=False)
            return LinearPart(tuple(reports), widened(equation, bound, values), None, _transforms(equation))
        return LinearPart(tuple(reports), bound, eigenvalues, _transforms(equation))
    alone = not any(report.kind in ("nonlocal", "advection") for report in reports)
    total = widened(equation, _sum_of_terms(equation, linear, values, obstacle, alone=alone), values)
    return LinearPart(tuple(reports), total, None, _transforms(equation))


def kind_of_remainder(rest: Remainder) -> str:
    """One word for why a term is not in the linear part."""
    if rest.is_source:
        return "source"
    kind = rest.reason.partition(":")[0]
    return kind if kind in ("nonlocal", "advection") else "nonlinear"


def term_bound(equation: FieldEquation, term: LinearTerm, values: CoefficientValues) -> Bound:
    """Bound of one linear term; several fields may share it, a coupling counts with its modulus."""
    layout, values = equation.layout.of(term.field), values.of(term.row)
    total = Bound("exact", 1.0, 1.0, 0.0)
    if multiplies(layout, term.field, term.operators):
        for name in term.operators:
            total = _compose(total, operator_bound(equation, term.field, name))
    else:
        total = chain_bound(layout, term.field, term.operators)
    if isinstance(term.inside, MatrixSymbol):
        return _matrix_bound(total, term, values)
    inside = values(term.inside) if term.inside is not None else np.ones(())
    scale = values(term.coefficient) * (inside if inside.size == 1 else 1.0)
    if term.matrix is not None:
        scale = np.multiply.outer(np.linalg.eigvals(values(term.matrix)), scale)
        scale = scale.real if np.allclose(scale.imag, 0) else scale
    bound = _scale(total, scale)
    if inside.size > 1:
        bound = _scale(bound, np.array([inside.min(), inside.max()]))
    if not term.is_constant:
        bound = _as_upper(bound, "the coefficient varies in space or time, where it is taken at one moment")
    if _differs_between_samples(equation, term):
        bound = _as_upper(bound, "the coefficient differs between samples")
    return bound


def _matrix_bound(laplacian: Bound, term: LinearTerm, values: CoefficientValues) -> Bound:
    """``-u.Lu`` sums ``grad u . D grad u``: at most the largest eigenvalue of D times that of the Laplacian."""
    matrices = np.moveaxis(values(term.inside), (0, 1), (-2, -1))  # type: ignore[arg-type]  # a matrix is inside
    eigenvalues = np.linalg.eigvalsh((matrices + np.swapaxes(matrices, -1, -2)) / 2)
    extremes = np.array([min(float(eigenvalues.min()), 0.0), float(eigenvalues.max())])
    bound = _scale(_scale(laplacian, extremes), values(term.coefficient))
    return _as_upper(bound, "the largest eigenvalue of the matrix times the Laplacian's")


def _differs_between_samples(equation: FieldEquation, term: LinearTerm) -> bool:
    nodes = [term.coefficient] if term.inside is None else [term.coefficient, term.inside]
    names = [node.name for node in walk(*nodes) if isinstance(node, ParameterSymbol)]
    return any(equation.declared[name].place == "per sample" for name in names)


def _obstacle(equation: FieldEquation, linear: Sequence[LinearTerm]) -> str:
    """Why no transform diagonalises the linear part; empty if one does."""
    layout = equation.layout
    if layout.domains:
        return "the fields lie on grids of their own, whose bounds are put together"
    for term in linear:
        if layout.mask is not None and term.operators:
            return "no transform fits a mask"
        if not term.is_constant:
            return f"the coefficient of {term} varies"
        if _differs_between_samples(equation, term):
            return f"the coefficient of {term} differs between samples"
        if not multiplies(layout, term.field, term.operators):
            return f"the walls show the operators of {term} different symmetries"
        if isinstance(term.inside, MatrixSymbol):
            return f"the matrix in {term} couples the axes"
    coupled = _is_coupled(linear)
    if coupled and len({_homogeneous(equation, name) for name in equation.fields}) > 1:
        return "coupled fields have different boundary conditions"
    for rows in [equation.fields] if coupled else [(name,) for name in equation.fields]:
        if modes(equation, rows[0], _operators(linear, rows)) is None:
            return f"the terms in the rate of {listing(rows)} have no common modes"
    if coupled and equation.components > MAX_COUPLED:
        return f"{equation.components} coupled components"
    return ""


def _homogeneous(equation: FieldEquation, field: str) -> tuple[Any, ...]:
    """The conditions of a field without their data."""
    sides = equation.layout.conditions[field].values()
    return tuple((type(side), getattr(side, "a", 0.0), getattr(side, "b", 0.0)) for side in sides)


def _operators(linear: Sequence[LinearTerm], rows: Sequence[str]) -> list[str]:
    """Every operator of the terms of some rows."""
    return [name for term in linear if term.row in rows for name in term.operators]


def _modes(equation: FieldEquation, rows: Sequence[str], linear: Sequence[LinearTerm]) -> list[AxisModes]:
    found = modes(equation, rows[0], _operators(linear, rows))
    if found is None:
        raise ValueError("these terms have no common modes")
    return found


def _is_coupled(linear: Sequence[LinearTerm]) -> bool:
    return any(not term.is_diagonal for term in linear)


def _eigenvalues(
    equation: FieldEquation, linear: Sequence[LinearTerm], values: CoefficientValues
) -> tuple[np.ndarray, bool]:
    if not linear:
        return np.zeros(1, dtype=complex), False
    if not _is_coupled(linear):
        parts, thinned = [], False
        for row in equation.fields:
            own = [term for term in linear if term.row == row]
            angles, was_thinned = _thinned(_modes(equation, (row,), linear))
            thinned |= was_thinned
            size = equation.layout.fields[row][1]
            total = np.zeros((size, 1), dtype=complex)
            for term in own:
                total = total + _coefficients(term, values, size)[:, None] * _chain_symbol(equation, term, angles)
            parts.append(np.unique(total.ravel()))
        return np.concatenate(parts), thinned
    return _coupled_eigenvalues(equation, linear, values)


def _coupled_eigenvalues(
    equation: FieldEquation, linear: Sequence[LinearTerm], values: CoefficientValues
) -> tuple[np.ndarray, bool]:
    """Eigenvalues of the symbol matrix ``L(k)``, one small matrix per distinct mode."""
    angles, thinned = _thinned(_modes(equation, equation.fields, linear))
    symbols = np.stack([np.broadcast_to(_chain_symbol(equation, term, angles), _count(angles)) for term in linear])
    distinct = np.unique(symbols, axis=1)
    matrices = np.zeros((distinct.shape[1], equation.components, equation.components), dtype=complex)
    for position, term in enumerate(linear):
        rows, columns, block = coupling(equation, term, values)
        matrices[:, rows, columns] += block * distinct[position][:, None, None]
    return np.linalg.eigvals(matrices).ravel(), thinned


def coupling(equation: FieldEquation, term: LinearTerm, values: CoefficientValues) -> tuple[slice, slice, np.ndarray]:
    """Where a term stands in the ``C x C`` matrix of couplings between components, and its entries there."""
    first_row, size = equation.layout.fields[term.row]
    first_column, columns = equation.layout.fields[term.field]
    weights = _coefficients(term, values, size)
    block = np.zeros((size, columns), dtype=complex)
    rows = range(size) if term.row_component is None else (term.row_component,)
    for i in rows:
        if term.matrix is not None:
            block[i] = weights[i] * values(term.matrix)[i]
        else:
            block[i, term.component if term.component is not None else i if columns > 1 else 0] = weights[i]
    return slice(first_row, first_row + size), slice(first_column, first_column + columns), block


def _coefficients(term: LinearTerm, values: CoefficientValues, size: int) -> np.ndarray:
    scalar = term.inside is not None and not isinstance(term.inside, MatrixSymbol)
    value = values(term.coefficient) * (values(term.inside) if scalar else 1.0)  # type: ignore[arg-type]  # not None
    return np.broadcast_to(np.asarray(value).ravel(), (size,))


def _chain_symbol(equation: FieldEquation, term: LinearTerm, axes: list[AxisModes]) -> np.ndarray:
    """Eigenvalues of the operators of a term, one after the other, on all modes of the grid, flattened."""
    shape = np.broadcast_shapes(*[axis.shape for axis in axes])
    total = np.ones(_count(axes), dtype=complex)
    for name in term.operators:
        total = total * np.broadcast_to(operator_symbol(equation.layout, name, axes), shape).ravel()
    return total


def _count(axes: list[AxisModes]) -> tuple[int, ...]:
    return (math.prod(math.prod(axis.shape) for axis in axes),)


def _thinned(axes: list[AxisModes]) -> tuple[list[AxisModes], bool]:
    if _count(axes)[0] <= MAX_MODES:
        return axes, False
    keep = int(MAX_MODES ** (1 / len(axes)))
    return [axis.thinned(keep) for axis in axes], True


def _exact_bound(eigenvalues: np.ndarray) -> Bound:
    imaginary = float(np.abs(eigenvalues.imag).max())
    return Bound("exact", float(eigenvalues.real.min()), float(eigenvalues.real.max()), imaginary)


def _as_upper(bound: Bound, reason: str) -> Bound:
    return Bound("upper", bound.lowest, bound.highest, bound.imaginary, bound.reason or reason)


def _compose(outer: Bound, inner: Bound) -> Bound:
    if outer.imaginary == 0 and inner.imaginary == 0:
        corners = [a * b for a in (outer.lowest, outer.highest) for b in (inner.lowest, inner.highest)]
        kind = "exact" if outer.kind == inner.kind == "exact" else "upper"
        return Bound(kind, min(corners), max(corners), 0.0, outer.reason or inner.reason)
    radius = outer.radius * inner.radius
    return Bound("upper", -radius, radius, radius, "composition of complex symbols")


def _scale(bound: Bound, factors: np.ndarray) -> Bound:
    factors = np.asarray(factors).ravel()
    if np.iscomplexobj(factors):
        radius = bound.radius * float(np.abs(factors).max())
        if bound.imaginary == 0:
            products = np.multiply.outer(factors, [bound.lowest, bound.highest])
            return Bound(
                bound.kind,
                float(products.real.min()),
                float(products.real.max()),
                float(np.abs(products.imag).max()),
                bound.reason,
            )
        return Bound("upper", -radius, radius, radius, "complex coefficient")
    ends = [float(f * end) for f in (factors.min(), factors.max()) for end in (bound.lowest, bound.highest)]
    return Bound(bound.kind, min(ends), max(ends), bound.imaginary * float(np.abs(factors).max()), bound.reason)


def _sum_of_terms(
    equation: FieldEquation, linear: Sequence[LinearTerm], values: CoefficientValues, reason: str, *, alone: bool
) -> Bound:
    """Terms of one equation add; couplings between fields count with their norm (block Gershgorin)."""
    rows: dict[str, list[LinearTerm]] = {}
    for term in linear:
        rows.setdefault(term.row, []).append(term)
    if not rows:
        return Bound("exact", 0.0, 0.0, 0.0)
    alone = alone and not _is_coupled(linear)
    boxes = []
    for row, terms in rows.items():
        own = [_varying(equation, term, values) for term in terms if term.is_diagonal]
        box = row_box(own, equation.layout.of(row), row, alone=alone)
        radius = sum(_norm(equation, term, values) for term in terms if not term.is_diagonal)
        boxes.append((box.lowest - radius, box.highest + radius, box.imaginary + radius))
    columns = list(zip(*boxes, strict=True))
    return Bound("upper", min(columns[0]), max(columns[1]), max(columns[2]), reason)


def _is_normal(equation: FieldEquation, linear: Sequence[LinearTerm]) -> bool:
    """Whether eigenvalues tell the numerical range, to which other terms may be added."""
    kinds = [operator_bound(equation, term.field, name).kind for term in linear for name in term.operators]
    return not _is_coupled(linear) and all(kind == "exact" for kind in kinds)


def _varying(equation: FieldEquation, term: LinearTerm, values: CoefficientValues) -> Varying:
    """A term that acts on its own field, with its operators and its coefficient apart."""
    bound = _operators_bound(equation, term, values)
    own = values.of(term.row)
    inside = term.inside is not None
    return Varying(
        coefficient=np.asarray(own(term.coefficient)),
        operators=term.operators,
        box=Box(bound.lowest, bound.highest, bound.imaginary),
        varies=bool(term.coefficient.depends & Depends.SPACE),
        is_plain=not inside,
    )


def _operators_bound(equation: FieldEquation, term: LinearTerm, values: CoefficientValues) -> Bound:
    """The operators of a term with what stands inside them, without the coefficient in front."""
    if len(term.operators) == 1 and term.inside is None:
        return operator_bound(equation, term.field, term.operators[0])
    return term_bound(equation, replace(term, coefficient=number(1), matrix=None), values)


def _norm(equation: FieldEquation, term: LinearTerm, values: CoefficientValues) -> float:
    """A bound on the norm of a coupling."""
    bound = _operators_bound(equation, term, values)
    scale = float(np.abs(values.of(term.row)(term.coefficient)).max())
    if term.matrix is not None:
        scale *= float(np.linalg.norm(values(term.matrix), 2, axis=(-2, -1)).max())
    return scale * Box(bound.lowest, bound.highest, bound.imaginary).norm


def _transforms(equation: FieldEquation) -> tuple[str, ...]:
    if equation.layout.domains:
        return ("none",) * equation.layout.dimension
    transforms = []
    for axis in range(equation.dimension):
        kinds = {transform_of(equation, name, axis) for name in equation.fields}
        transforms.append(kinds.pop() if len(kinds) == 1 else "mixed")
    return tuple(transforms)
