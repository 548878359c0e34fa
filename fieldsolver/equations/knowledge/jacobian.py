"""The Jacobian of a declared right-hand side: as a graph, as a product with vectors, and as a sparse matrix.

The sparse matrix is found by colouring: columns that share no row are perturbed together, so the number of products is
that of colours, not of unknowns (Curtis, Powell & Reid 1974). Its pattern follows from the graph: how far each term
reaches.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import EquationError, StateError

from .. import build
from ..calculus.differentiate import variation
from ..graph import (
    Convolution,
    Depends,
    FieldSymbol,
    MatrixSymbol,
    ModuleCall,
    Node,
    Reduction,
    SpatialOperator,
    walk,
)
from ..vocabulary import OPERATORS
from .reach import reach
from .spectra import absorbs
from .vertices import farther, within

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from ..field_equation import FieldEquation


class Jacobian:
    """``df/dy`` of a declared equation at its current parameter values.

    Attributes:
        blocks: per pair of states ``(row, column)``, the graph of the row's linearised rate along a perturbation of the
            column, in which the perturbation carries the column's own name. Zero blocks are left out.
    """

    def __init__(self, equation: FieldEquation) -> None:
        self.equation = equation
        self._symbols = {name: equation.state_symbol(name) for name in equation.fields}

    @property
    def blocks(self) -> dict[tuple[str, str], Node]:
        """Symbolic blocks; raises `EquationTypeError` where a module has no symbolic derivative."""
        return {
            (row, column): block
            for row, node in self.equation.right_sides.items()
            for column in self.equation.fields
            if not _is_zero(block := self._block(node, column))
        }

    def _block(self, node: Node, column: str) -> Node:
        symbol = self._symbols[column]
        direction = build.field(f"delta_{column}", symbol.components, is_complex=symbol.is_complex)
        return variation(node, {symbol: direction}, self.equation.layout.dimension)

    def product(self, t: float | Tensor, y: Tensor, v: Tensor) -> Tensor:
        """``J v`` for states and vectors ``(*batch, C, *grid)``, by forward differentiation."""
        return torch.func.jvp(lambda state: self.equation(t, state), (y,), (v,))[1]

    def dense(self, t: float | Tensor, y: Tensor) -> Tensor:
        """The whole matrix ``(N, N)`` with ``N = C * points``, for one state; meant for small systems and tests."""
        self._check_real(y)
        shape = self.equation.state_shape
        flat = torch.func.jacrev(lambda state: self.equation(t, state.reshape(shape)).reshape(-1))(y.reshape(-1))
        return flat.detach()

    def _check_real(self, y: Tensor) -> None:
        if self.equation.is_complex:
            raise EquationError(
                "the Jacobian of a complex system is a matrix only over its real and imaginary parts; write them as "
                "two fields, or use product(...)"
            )
        if tuple(y.shape) != self.equation.state_shape:
            raise StateError(f"one state has the shape {self.equation.state_shape}, got {tuple(y.shape)}")

    def pattern(self) -> csr_array:
        """Which entries can be nonzero, ``(N, N)`` booleans.

        Raises:
            EquationError: a term couples every point with every other, so the matrix is dense.
        """
        from scipy.sparse import csr_array, kron

        equation = self.equation
        if equation.layout.domains:
            raise EquationError("the pattern of a Jacobian between grids is not known; use product(...) or dense(...)")
        couplings: dict[tuple[int, ...], np.ndarray] = {}
        for row, node in equation.right_sides.items():
            for column, offsets in _reach(node, equation).items():
                for offset in offsets:
                    mask = couplings.setdefault(offset, np.zeros((equation.components,) * 2, dtype=bool))
                    mask[_rows(equation, row), _rows(equation, column)] = True
        size = math.prod(equation.state_shape)
        total = csr_array((size, size), dtype=bool)
        for offset, mask in couplings.items():
            total = total + kron(csr_array(mask), _shift(equation, offset), format="csr")
        return csr_array(total.astype(bool))

    def sparse(self, t: float | Tensor, y: Tensor) -> csr_array:
        """The matrix at one state, ``(N, N)``, found by one product per colour of `pattern`."""
        from scipy.sparse import csr_array

        self._check_real(y)
        pattern = self.pattern()
        colours = colour_columns(pattern)
        seeds = np.zeros((int(colours.max()) + 1, pattern.shape[1]))
        seeds[colours, np.arange(pattern.shape[1])] = 1.0
        vectors = torch.as_tensor(seeds, dtype=y.dtype, device=y.device).reshape(-1, *self.equation.state_shape)
        products = torch.func.vmap(lambda v: self.product(t, y, v))(vectors).reshape(len(seeds), -1)
        rows, columns = pattern.nonzero()
        values = products.detach().cpu().numpy()[colours[columns], rows]
        return csr_array((values, (rows, columns)), shape=pattern.shape)


def colour_columns(pattern: Any) -> np.ndarray:
    """A colour per column such that columns of one colour share no row (greedy, largest degree first)."""
    overlap = (pattern.T.astype(np.int32) @ pattern.astype(np.int32)).tocsr()
    order = np.argsort(-np.diff(overlap.indptr), kind="stable")
    colours = np.full(overlap.shape[0], -1)
    for column in order:
        neighbours = colours[overlap.indices[overlap.indptr[column] : overlap.indptr[column + 1]]]
        taken = np.zeros(neighbours.size + 1, dtype=bool)
        used = neighbours[(neighbours >= 0) & (neighbours <= neighbours.size)]
        taken[used] = True
        colours[column] = int(np.argmin(taken))
    return colours


def _is_zero(node: Node) -> bool:
    return not node.depends & Depends.STATE


def _rows(equation: FieldEquation, name: str) -> slice:
    first, size = equation.layout.fields[name]
    return slice(first, first + size)


def _reach(node: Node, equation: FieldEquation) -> dict[str, set[tuple[int, ...]]]:
    """Per state, the offsets ``(dx, dy, ...)`` from which the value at a point takes information."""
    reached: dict[Node, dict[str, set[tuple[int, ...]]]] = {}
    dimension = equation.dimension
    for part in walk(node):
        if isinstance(part, (Convolution, Reduction)) and part.depends & Depends.STATE:
            raise EquationError(f"{part} couples all points of the grid, so the Jacobian is dense; use product(...)")
        if isinstance(part, ModuleCall) and part.name in equation.layout.nonlocal_modules:
            raise EquationError(f"module {part.name!r} is nonlocal, so the Jacobian is dense; use product(...)")
        if isinstance(part, FieldSymbol):
            reached[part] = {part.name: {(0,) * dimension}}
            continue
        merged: dict[str, set[tuple[int, ...]]] = {}
        for operand in part.operands:
            for name, offsets in reached.get(operand, {}).items():
                merged.setdefault(name, set()).update(offsets)
        if isinstance(part, SpatialOperator):
            # What leaves through an absorbing wall follows from the velocity next to it.
            open_waves = [name for name in equation.orders if name in merged and absorbs(equation.layout, name)]
            for name in open_waves:
                merged.setdefault(f"d{name}/dt", set()).update(merged[name])
            merged = {name: _widened(offsets, part, equation) for name, offsets in merged.items()}
        reached[part] = merged
    return reached[node]


def _widened(offsets: set[tuple[int, ...]], node: SpatialOperator, equation: FieldEquation) -> set[tuple[int, ...]]:
    word = OPERATORS[node.name]
    axes = range(equation.dimension) if word.axis is None else (word.axis,)
    for _ in range(2 if node.name == "biharmonic" else 1):
        if equation.layout.graph is not None:
            offsets = farther(offsets)
            continue
        wider = set(offsets)
        for axis in axes:
            width = reach(equation.layout, node.name, axis) + int(_tilts(node, equation))
            # One stencil over several axes has corners: what an axis adds starts from all that the others have.
            for offset in set(wider) if _has_corners(node, equation) else offsets:
                wider |= {
                    tuple(o + step * (other == axis) for other, o in enumerate(offset))
                    for step in range(-width, width + 1)
                }
        offsets = wider
    return offsets


def _has_corners(node: SpatialOperator, equation: FieldEquation) -> bool:
    """Whether an operator is one stencil of the whole grid instead of a sum over axes."""
    if node.name in ("laplacian", "biharmonic"):
        return equation.layout.isotropic or equation.layout.metric is not None
    return _turns(node, equation)


def _tilts(node: SpatialOperator, equation: FieldEquation) -> bool:
    """Whether a matrix turns the slope at a wall by that of the neighbours along it, one point further away."""
    closed = all(equation.layout.is_closed(axis) for axis in range(equation.dimension))
    return _turns(node, equation) and not closed


def _turns(node: SpatialOperator, equation: FieldEquation) -> bool:
    """Whether fluxes need not point along the gradient."""
    return isinstance(node.operands[0], MatrixSymbol) or equation.layout.metric is not None


def _shift(equation: FieldEquation, offset: tuple[int, ...]) -> Any:
    """The matrix that picks the point at `offset`: wrapped on periodic axes, reflected at walls.

    On a graph an offset is a number of edges, and all vertices are picked that lie no farther away.
    """
    from scipy.sparse import csr_array, eye_array, kron

    if equation.layout.graph is not None:
        return within(equation.layout.graph, *offset)
    total = eye_array(1, format="csr")
    for axis, step in enumerate(offset):
        grid = equation.layout.required_grid()
        points = grid.shape[axis]
        index = np.arange(points)
        target = index + step
        rows, columns = [index], [target]
        if equation.layout.is_closed(axis):
            columns = [target % points]
        else:
            skip = int(grid.has_end_nodes(axis))
            high = np.where(target >= points, 2 * points - 1 - skip - target, target)
            mirrored = np.where(target < 0, -target - 1 + skip, high)
            columns = [np.clip(mirrored, 0, points - 1)]
            # A ghost beyond a node-centred wall may take from the wall itself (Robin).
            outside = (target < 0) | (target >= points)
            rows.append(index[outside])
            columns.append(np.where(target[outside] < 0, 0, points - 1))
        row, column = np.concatenate(rows), np.concatenate(columns)
        entries = csr_array((np.ones(row.size, dtype=bool), (row, column)), shape=(points, points))
        total = kron(total, entries, format="csr")
    return total
