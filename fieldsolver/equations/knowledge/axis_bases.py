"""The basis of each axis in which the operators of a field are diagonal: a series, or eigenvectors of a matrix."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.space.solvers.diagonalised_solve import along, eigenbasis
from fieldsolver.space.solvers.protocol import in_precision_of
from fieldsolver.space.spectral import SpectralLine

from ..lowering import Layout
from .line_matrix import line_matrix, line_points, line_weights
from .spectra import (
    MAX_LINE,
    AxisModes,
    MatrixModes,
    Waves,
    axes_of,
    is_diagonal,
    kind_of,
    transform_of,
    wave_numbers,
)


class Basis(NamedTuple):
    """One transform for each axis, and the modes it leads to."""

    lines: tuple[SpectralLine | EigenLine, ...]
    modes: tuple[AxisModes, ...]


class EigenLine:
    """A `Transform` to the eigenvectors of one operator along one axis.

    Args:
        matrix: of the operator on the unknowns, ``(n, n)``.
        weights: of the norm it may be symmetric in, ``(n,)``.
        free: the places of the unknowns among the points.
        points: number of points of the axis; those that are no unknowns are zero after `inverse`.

    Raises:
        OptionError: it has no eigenvectors that are safe to use.
    """

    def __init__(self, matrix: np.ndarray, weights: np.ndarray, free: Sequence[int], points: int) -> None:
        A = torch.from_numpy(matrix)
        self.values, self._vectors, self._inverse = eigenbasis(A, norm_of(A, torch.from_numpy(weights)))
        self.first, self.count, self.points = free[0], len(free), points

    def forward(self, values: Tensor, dim: int) -> Tensor:
        free = values.narrow(dim, self.first, self.count)
        return along(in_precision_of(self._inverse, values), free, dim)

    def inverse(self, coefficients: Tensor, dim: int) -> Tensor:
        values = along(in_precision_of(self._vectors, coefficients), coefficients, dim)
        return padded(values, dim, self.first, self.points)


def padded(values: Tensor, dim: int, first: int, points: int) -> Tensor:
    """Zeros before and behind `values` along `dim` (negative), up to `points`."""
    behind = points - first - values.shape[dim]
    if not first and not behind:
        return values
    return torch.nn.functional.pad(values, [0, 0] * (-dim - 1) + [first, behind])


def norm_of(A: Tensor, weights: Tensor) -> Tensor | None:
    """The weights if A is symmetric in them, else None."""
    flux = weights[:, None] * A.detach()
    return weights if (flux - flux.mH).abs().max() <= 1e-12 * flux.abs().max() else None


def series(layout: Layout, field: str, operators: Iterable[str]) -> Basis | None:
    """The transforms of all axes if they diagonalise all of `operators`, else None."""
    if not all(is_diagonal(layout, field, axis, kind_of(name)) for name in operators for axis in axes_of(layout, name)):
        return None
    if any(transform_of(layout, field, axis) == "none" for axis in range(layout.dimension)):
        return None
    pairs = [_series(layout, field, axis) for axis in range(layout.dimension)]
    return Basis(tuple(line for line, _ in pairs), tuple(modes for _, modes in pairs))


def eigenvectors(layout: Layout, field: str, operators: Iterable[str]) -> Basis | None:
    """The same with eigenvectors where no transform fits; None if an axis has too many points or several operators."""
    kinds: list[set[int | str]] = [set() for _ in range(layout.dimension)]
    for name in operators:
        for axis in axes_of(layout, name):
            kinds[axis].add(kind_of(name))
    pairs: list[tuple[SpectralLine | EigenLine, AxisModes]] = []
    for axis, used in enumerate(kinds):
        transform = transform_of(layout, field, axis) != "none"
        if transform and all(is_diagonal(layout, field, axis, kind) for kind in used):
            pairs.append(_series(layout, field, axis))
            continue
        if len(used) != 1 or layout.isotropic or layout.required_grid().shape[axis] > MAX_LINE:
            return None
        pair = _eigenvectors(layout, field, axis, *used)
        if pair is None:
            return None
        pairs.append(pair)
    return Basis(tuple(line for line, _ in pairs), tuple(modes for _, modes in pairs))


def _series(layout: Layout, field: str, axis: int) -> tuple[SpectralLine, AxisModes]:
    grid = layout.required_grid()
    kind, on_node = transform_of(layout, field, axis), grid.has_end_nodes(axis)
    θ = wave_numbers(layout, field, axis).reshape(_shape(layout, axis))
    line = SpectralLine(kind, grid.shape[axis], grid.lengths[axis], on_node)
    return line, Waves(layout.schemes[axis], grid.spacing[axis], θ)


def _eigenvectors(layout: Layout, field: str, axis: int, kind: int | str) -> tuple[EigenLine, AxisModes] | None:
    free, points = line_points(layout, field, axis), layout.required_grid().shape[axis]
    weights = line_weights(layout, field, axis)
    try:
        line = EigenLine(line_matrix(layout, field, axis, kind), weights, free, points)
    except OptionError:
        return None
    if line.values.is_complex():  # real fields would need both of two conjugate eigenvectors
        return None
    return line, MatrixModes(kind, line.values.numpy().reshape(_shape(layout, axis)) + 0j)


def _shape(layout: Layout, axis: int) -> list[int]:
    return [-1 if other == axis else 1 for other in range(layout.dimension)]
