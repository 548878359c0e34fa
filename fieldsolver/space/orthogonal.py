"""Finite volumes in polar, cylindrical and spherical coordinates, exact in the geometry.

These coordinates are singular at the axis or pole. `OrthogonalCells` integrates over their cells: a finite volume is
bounded by faces of exact area, and the face at a pole has none, so that nothing flows through it and no condition is
asked for there. With areas A, volumes V, distances d and face means ``⟨·⟩`` of two neighbours,

    (Δu)_i   = 1/V_i Σ_faces ± A (u_+ - u_-)/d             (div v)_i = 1/V_i Σ_faces ± A ⟨v·n⟩
    (∇u)_i·n = 1/V_i Σ_(both faces along n) A (u_+ - u_-)/2

The gradient is minus the adjoint of the divergence in the inner product of the volumes. Both are of second order,
except beside a pole: the face without area tells nothing, and the gradient is of first order there (of second in the
norm of the volumes). The divergence of a gradient has an error of order one in those cells; the Laplacian has not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from fieldsolver.errors import GridError, listing

from .coordinate_systems import SYSTEMS

if TYPE_CHECKING:
    from .grid import Grid


def cell_faces(grid: Grid, device: torch.device | str = "cpu") -> Tensor:
    """Positions of the faces across the first axis, float64 ``(N_0 + 1,)`` or ``(N_0 + 1, 1)``."""
    column = (-1,) + (1,) * (grid.dimension - 1)
    index = torch.arange(grid.shape[0] + 1, dtype=torch.float64, device=device)
    return (grid.bounds[0][0] + grid.spacing[0] * index).reshape(column)


def cell_volumes(grid: Grid, device: torch.device | str = "cpu") -> Tensor:
    """Exact volumes of the cells, float64 ``(N_0,)`` or ``(N_0, 1)``; all angles left out of the grid are counted."""
    system = SYSTEMS[grid.system]
    rest = system.symmetry[grid.dimension] * math.prod(grid.spacing[1:])
    return system.volume(cell_faces(grid, device)).diff(dim=0) * rest


class _Fitted(NamedTuple):
    """Geometry in one precision on one device; `ratios` are areas over distances."""

    areas: list[Tensor]
    ratios: list[Tensor]
    volumes: Tensor


class OrthogonalCells:
    """Exact volumes and face areas of the cells of a grid in named coordinates.

    Args:
        grid: a grid with ``coordinates=`` other than Cartesian.
        periodic: names of the periodic axes, such as ``("theta",)``.

    Attributes:
        volumes: ``(N_0, 1)``, float64 like the rest.
        areas: per axis, of the faces across it: ``(N_0 + 1, 1)`` and ``(N_0, 1)``.
        distances: of the points beside a face, ``(1, 1)`` and ``(N_0, 1)``.
        closed: per axis, whether the faces at its low and its high end have no area; ghosts there are not looked at.

    Raises:
        GridError: a Cartesian grid, or a periodic axis that is none.
    """

    def __init__(self, grid: Grid, *, periodic: Sequence[str] = ()) -> None:
        if grid.system not in SYSTEMS:
            raise GridError(f"finite volumes need a grid with coordinates={listing(SYSTEMS)}, got {grid!r}")
        unknown = [axis for axis in periodic if axis not in grid.axes[1:]]
        if unknown:
            raise GridError(
                f"periodic names {unknown[0]!r}; in {grid.system} coordinates it can name {listing(grid.axes[1:])}"
            )
        self.grid, self.system = grid, SYSTEMS[grid.system]
        self.periodic = tuple(name in periodic for name in grid.axes)
        faces, (step, *others) = cell_faces(grid), grid.spacing
        rest = self.system.symmetry[grid.dimension]
        self.volumes = cell_volumes(grid)
        self.closed = [self.system.ends_at_pole(grid.bounds[0])] + [(False, False)] * len(others)
        across = self.system.density(faces) * rest * math.prod(others)
        for end in (0, -1):
            if self.closed[0][end]:
                across[end] = 0.0  # sin(pi) is not quite zero
        self.areas: list[Tensor] = [across]
        self.distances = [torch.full((1,) * grid.dimension, step, dtype=torch.float64)]
        if others:
            self.areas.append(self.system.side(faces).diff(dim=0) * rest)
            self.distances.append(self.system.scale(grid.coordinate(0).reshape(-1, 1)) * others[0])
        self._cast: dict[tuple[torch.device, torch.dtype], _Fitted] = {}

    def integral(self, values: Tensor) -> Tensor:
        """``∫ u dV``, ``(..., *grid) -> (...)``."""
        return (values * self.fitting(values).volumes).sum(dim=tuple(range(-self.grid.dimension, 0)))

    def fitting(self, values: Tensor) -> _Fitted:
        """The geometry in the precision and on the device of `values`."""
        key = values.device, values.real.dtype
        if key not in self._cast:
            with torch.inference_mode(False):  # what is kept must also serve a later call that needs gradients
                ratios = [area / distance for area, distance in zip(self.areas, self.distances, strict=True)]
                self._cast[key] = _Fitted(
                    [area.to(*key) for area in self.areas], [ratio.to(*key) for ratio in ratios], self.volumes.to(*key)
                )
        return self._cast[key]


def orthogonal_laplacian(values: Tensor, cells: OrthogonalCells) -> Tensor:
    """The Laplacian as finite volumes of second order, ``(..., *grid)``.

    Args:
        values: the field, with one ghost layer on both ends of every axis that is not periodic.
        cells: the geometry.
    """
    return _sum_of_fluxes(values, cells, lambda axis: None)


def orthogonal_diffusion(coefficient: Tensor, values: Tensor, cells: OrthogonalCells) -> Tensor:
    """``div(D grad u)`` as finite volumes of second order, with the mean of D on faces, ``(..., *grid)``.

    Args:
        coefficient: D on the same points as `values`, ghosts included.
        values: as in `orthogonal_laplacian`.
        cells: the geometry.
    """

    def on_faces(axis: int) -> Tensor:
        return _face_pair(_points_along(coefficient, cells, axis), cells, axis, torch.add) / 2

    return _sum_of_fluxes(values, cells, on_faces)


def orthogonal_slope(values: Tensor, cells: OrthogonalCells, axis: int) -> Tensor:
    """The physical component of ``grad u`` along one axis, ``(..., *grid)``.

    Args:
        values: the field, with one ghost layer on both ends of `axis` unless it is periodic.
        cells: the geometry.
        axis: the axis, counted from 0.
    """
    flux = _face_pair(values, cells, axis, torch.sub)
    return _at_faces_of_cells(flux, cells, axis, cells.fitting(values).areas[axis], torch.add) / 2


def orthogonal_outflow(values: Tensor, cells: OrthogonalCells, axis: int) -> Tensor:
    """The part of ``div v`` due to the physical component of v along one axis, ``(..., *grid)``.

    Args:
        values: that component, with ghosts as in `orthogonal_slope`.
        cells: the geometry.
        axis: the axis, counted from 0.
    """
    mean = _face_pair(values, cells, axis, torch.add) / 2
    return _at_faces_of_cells(mean, cells, axis, cells.fitting(values).areas[axis], torch.sub)


Pair = Callable[[Tensor, Tensor], Tensor]


def _sum_of_fluxes(values: Tensor, cells: OrthogonalCells, coefficient: Callable[[int], Tensor | None]) -> Tensor:
    gains = []
    for axis, ratio in enumerate(cells.fitting(values).ratios):
        flux, D = _face_pair(_points_along(values, cells, axis), cells, axis, torch.sub), coefficient(axis)
        gains.append(_at_faces_of_cells(flux if D is None else flux * D, cells, axis, ratio, torch.sub))
    return reduce(torch.add, gains)


def _face_pair(values: Tensor, cells: OrthogonalCells, axis: int, pair: Pair) -> Tensor:
    """``pair(upper, lower)`` of the points beside every face along `axis` that has an area.

    On a periodic axis these are the faces above every cell.
    """
    dim = axis - cells.grid.dimension
    if cells.periodic[axis]:
        return pair(values.roll(-1, dim), values)
    low, high = cells.closed[axis]
    inside = values.narrow(dim, int(low), values.shape[dim] - low - high)
    count = inside.shape[dim] - 1
    return pair(inside.narrow(dim, 1, count), inside.narrow(dim, 0, count))


def _at_faces_of_cells(flux: Tensor, cells: OrthogonalCells, axis: int, weight: Tensor, pair: Pair) -> Tensor:
    """``pair(upper face, lower face)/V`` of ``weight * flux``, for every cell; faces without area count as zero."""
    dim, volumes = axis - cells.grid.dimension, cells.fitting(flux).volumes
    if cells.periodic[axis]:
        flux = flux * weight
        return pair(flux, flux.roll(1, dim)) / volumes
    low, high = cells.closed[axis]
    if weight.shape[dim] > 1:
        weight = weight.narrow(dim, int(low), weight.shape[dim] - low - high)
    flux = flux * weight
    nothing = torch.zeros_like(flux.narrow(dim, 0, 1))
    flux = torch.cat([nothing] * low + [flux] + [nothing] * high, dim)
    count = flux.shape[dim] - 1
    return pair(flux.narrow(dim, 1, count), flux.narrow(dim, 0, count)) / volumes


def _points_along(values: Tensor, cells: OrthogonalCells, axis: int) -> Tensor:
    """Without the ghosts of the other axes."""
    dimension = cells.grid.dimension
    for other, wraps in enumerate(cells.periodic):
        if not wraps and other != axis:
            values = values.narrow(other - dimension, 1, cells.grid.shape[other])
    return values
