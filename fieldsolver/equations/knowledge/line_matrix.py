"""The matrix of one operator along one axis, with the homogeneous conditions of a field at its ends."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch

from fieldsolver.space.boundary import Absorbing, Condition, Neumann, Side, is_closed
from fieldsolver.space.coordinate_systems import CARTESIAN
from fieldsolver.space.grid import Grid
from fieldsolver.space.line import line_of
from fieldsolver.space.schemes import Scheme

from .. import build
from ..graph import Node
from ..lowering import Layout, Lowering, held_sides

NORM_POINTS = 256
"""A norm needs the rows next to the walls and one inside: so many points have them all."""

Kind = int | str
"""The order of a derivative, ``"diffusion"`` with coefficient 1, or ``"advection"`` and ``"-advection"`` with speed 1
and -1."""
Chain = Kind | tuple[Kind, ...]
"""One operator, or several of them, outermost first."""


def line_matrix(layout: Layout, field: str, axis: int, kind: int | str) -> np.ndarray:
    """``(n, n)``: a derivative of order `kind`, or ``"diffusion"`` with coefficient 1, on the unknowns of one axis.

    Unknowns that a condition determines (Dirichlet walls on nodes, collocation) are eliminated. An absorbing wall
    counts as one without flux.
    """
    grid = line_of(layout.required_grid(), axis)
    return _matrix(grid, layout.schemes[axis], _ends(layout, field, axis), kind)


def line_eigenvalues(layout: Layout, field: str, axis: int, kind: int | str) -> np.ndarray:
    """Eigenvalues of `line_matrix`, complex ``(n,)``; imaginary parts at round-off are dropped."""
    grid = line_of(layout.required_grid(), axis)
    return _eigenvalues(grid, layout.schemes[axis], _ends(layout, field, axis), kind)


def line_range(layout: Layout, field: str, axis: int, kind: Chain) -> tuple[float, float, float]:
    """A box around the numerical range: smallest and largest real part, largest imaginary part.

    Taken in the norm of the axis (its quadrature weights), in which the boxes of several operators add; eigenvalues of
    operators that are not normal do not.
    """
    grid = line_of(layout.required_grid(), axis)
    scheme, ends = layout.schemes[axis], _ends(layout, field, axis)
    scaled = _scaled(grid, scheme, ends, kind)
    real = np.linalg.eigvalsh((scaled + scaled.T) / 2)
    imaginary = np.linalg.eigvalsh((scaled - scaled.T) / 2j)
    size = max(np.abs(real).max(initial=0.0), np.abs(imaginary).max(initial=0.0))
    turning = float(np.abs(imaginary).max(initial=0.0))
    return float(real.min()), float(real.max()), turning if turning > 1e-9 * size else 0.0


def line_norm(layout: Layout, field: str, axis: int, kind: int | str) -> float:
    """A bound on the modulus of the eigenvalues: the largest row sum."""
    grid = line_of(layout.required_grid(), axis, at_most=NORM_POINTS)
    return float(np.abs(_matrix(grid, layout.schemes[axis], _ends(layout, field, axis), kind)).sum(1).max())


def line_size(layout: Layout, field: str, axis: int, kind: Chain) -> float:
    """The norm of an operator that belongs to the quadrature weights of the axis, in which those of several add."""
    grid = line_of(layout.required_grid(), axis, at_most=NORM_POINTS)
    return float(np.linalg.norm(_scaled(grid, layout.schemes[axis], _ends(layout, field, axis), kind), 2))


def line_stencil(layout: Layout, field: str, axis: int, kind: int | str) -> tuple[list[int], np.ndarray]:
    """The unknowns of one axis, and the moduli ``(n, n)`` of the entries that belong to its norm.

    The larger of an entry and its mirror image is taken, so that row sums bound those of both parts of the matrix.
    """
    grid = line_of(layout.required_grid(), axis)
    entries = np.abs(_scaled(grid, layout.schemes[axis], _ends(layout, field, axis), kind))
    return line_points(layout, field, axis), np.maximum(entries, entries.T)


def wall_response(layout: Layout, field: str, axis: int, end: int, kind: int | str) -> float:
    """Largest effect of a unit of boundary data at one end: the operator on a field of zeros."""
    grid = line_of(layout.required_grid(), axis, at_most=NORM_POINTS)
    line = _layout(grid, layout.schemes[axis], _ends(layout, field, axis))
    line = replace(line, wall_values={"u": {**line.wall_values["u"], (0, end): build.number(1)}})
    zeros = torch.zeros(1, 1, grid.shape[0], dtype=torch.float64)
    return float(_applied(line, kind, zeros).abs().max())


def line_points(layout: Layout, field: str, axis: int) -> list[int]:
    """The points of one axis that no condition determines: the unknowns of `line_matrix`."""
    return _free(_layout(line_of(layout.required_grid(), axis), layout.schemes[axis], _ends(layout, field, axis)))


def line_weights(layout: Layout, field: str, axis: int) -> np.ndarray:
    """Quadrature weights of those points, ``(n,)``."""
    return _norm(line_of(layout.required_grid(), axis), layout.schemes[axis], _ends(layout, field, axis))


def _ends(layout: Layout, field: str, axis: int) -> tuple[Condition, Condition]:
    low, high = (
        Neumann(0.0) if isinstance(condition, Absorbing) else condition
        for condition in (layout.conditions[field][axis, 0], layout.conditions[field][axis, 1])
    )
    return low, high


@lru_cache(maxsize=64)
def _eigenvalues(grid: Grid, scheme: Scheme, ends: tuple[Condition, Condition], kind: int | str) -> np.ndarray:
    values = np.linalg.eigvals(_matrix(grid, scheme, ends, kind)).astype(complex)
    noise = 1e-9 * np.abs(values).max(initial=0.0)
    return values if np.abs(values.imag).max(initial=0.0) > noise else values.real.astype(complex)


def _layout(grid: Grid, scheme: Scheme, ends: tuple[Condition, Condition]) -> Layout:
    sides: dict[Side, Condition] = {(0, 0): ends[0], (0, 1): ends[1]}
    return Layout(
        fields={"u": (0, 1)},
        parameters=(),
        modules=(),
        grid=grid,
        conditions={"u": sides},
        wall_values={"u": {side: build.number(0) for side, end in sides.items() if not is_closed(end)}},
        schemes=(scheme,),
    )


def _free(layout: Layout) -> list[int]:
    """The points of the axis that no condition determines."""
    points = layout.required_grid().shape[0]
    held = {0 if end == 0 else points - 1 for _, end in held_sides(layout, "u")}
    return [point for point in range(points) if point not in held]


def _norm(grid: Grid, scheme: Scheme, ends: tuple[Condition, Condition]) -> np.ndarray:
    layout = _layout(grid, scheme, ends)
    return layout.weights().numpy()[_free(layout)]


@lru_cache(maxsize=16)
def _matrix(grid: Grid, scheme: Scheme, ends: tuple[Condition, Condition], kind: Chain) -> np.ndarray:
    layout = _layout(grid, scheme, ends)
    basis = torch.eye(grid.shape[0], dtype=torch.float64)[:, None]  # one unit vector per sample
    matrix = _applied(layout, kind, basis)[:, 0].T.numpy()
    return matrix[np.ix_(_free(layout), _free(layout))]


def _scaled(grid: Grid, scheme: Scheme, ends: tuple[Condition, Condition], kind: Chain) -> np.ndarray:
    """The matrix in coordinates in which the norm of the axis is that of Euclid."""
    root = np.sqrt(_norm(grid, scheme, ends))
    return root[:, None] * _matrix(grid, scheme, ends, kind) / root


def _applied(layout: Layout, kind: Chain, values: torch.Tensor) -> torch.Tensor:
    """The operator on ``(B, 1, N)``."""
    node: Node = build.field("u")
    for one in reversed(kind if isinstance(kind, tuple) else (kind,)):
        node = _operator(one, node, layout.coordinates)
    lowering = Lowering(layout)
    tape = lowering.finish([lowering.compile(node)])
    (result,) = tape.run([values, torch.zeros((), dtype=torch.float64), values])
    return result


def _operator(kind: Kind, operand: Node, coordinates: str) -> Node:
    if coordinates != CARTESIAN:
        name = kind if isinstance(kind, str) else {1: "d_dx", 2: "laplacian"}[kind]
        arguments = (1, operand) if name == "diffusion" else (operand,)
        return build.operator_in(coordinates, name, *arguments, dimension=1)
    match kind:
        case "diffusion":
            return build.operator("diffusion", 1, operand, dimension=1)
        case "advection" | "-advection":
            return build.operator("advection", 1 if kind == "advection" else -1, operand, dimension=1)
    return build.operator("d_dx" if kind == 1 else f"d{kind}_dx{kind}", operand, dimension=1)
