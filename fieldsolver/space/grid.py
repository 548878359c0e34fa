"""A grid in one, two or three dimensions: a tensor product of axes, Cartesian or in named orthogonal coordinates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from fieldsolver.errors import GridError

from .coordinate_systems import CARTESIAN, SYSTEMS, checked_axes
from .orthogonal import cell_volumes
from .placed_axis import PlacedAxis
from .spacing import Clustered, Nodes

AXES: tuple[str, ...] = ("x", "y", "z")


class Grid:
    """A tensor-product grid, uniform along every axis that `nodes` does not name; axis order is ``x, y, z``.

    Cell-centred (default): ``N`` cells of width ``h = L/N``, unknowns at their centres ``a + (i + 1/2) h``.
    Node-centred: unknowns at ``a + i h``; both ends are nodes and ``h = L/(N - 1)``, except on axes named in
    `periodic`, where the right end is the left one again and ``h = L/N``.

    Non-uniform axes keep these rules for their walls: the first and the last node are the ends of the domain, cells lie
    strictly inside. A cell reaches half-way to its neighbours, and to the wall.

    In the coordinates of a disk, a cylinder, a ball or a sphere the axes are called ``r``, ``(r, theta)``, ``(r, z)``
    or ``(theta, phi)``; such grids are uniform and cell-centred. Where they begin or end at a pole there is no wall.

    Args:
        shape: number of points per axis, such as ``(256, 256)``; an int means one dimension.
        extent: length of the domain, one number for all axes or one each; the domain starts at 0.
        bounds: ``((x0, x1), (y0, y1), ...)`` instead of `extent`; one pair is used for a single axis.
        centring: ``"cell"`` or ``"node"``.
        periodic: names of the periodic axes of a node-centred grid, such as ``("x",)``.
        nodes: positions along the non-uniform axes, ``{"x": fs.Clustered("chebyshev"), "y": [0.0, 0.1, 0.3, ...]}``.
        coordinates: ``"cartesian"``, ``"polar"`` (r) or (r, theta), ``"cylindrical"`` (r, z), ``"spherical"`` (r), or
            ``"sphere"`` (theta, phi), colatitude and longitude on the unit sphere.

    Attributes:
        axes: names of the coordinates.
        system: what `coordinates` said.

    Raises:
        GridError: a shape, length, position or axis name that cannot be.
    """

    def __init__(
        self,
        shape: int | Sequence[int],
        extent: float | Sequence[float] | None = None,
        *,
        bounds: Sequence[Sequence[float]] | Sequence[float] | None = None,
        centring: str = "cell",
        periodic: Sequence[str] = (),
        nodes: Mapping[str, Nodes] | None = None,
        coordinates: str = CARTESIAN,
    ) -> None:
        self.shape = _checked_shape(shape)
        self.bounds = _checked_bounds(len(self.shape), extent, bounds)
        self.system = coordinates
        self.axes = AXES[: len(self.shape)]
        if coordinates != CARTESIAN:
            self.axes = checked_axes(coordinates, self.shape, self.bounds, centring, uniform=not nodes)
        if centring not in ("cell", "node"):
            raise GridError(f"centring is 'cell' or 'node', got {centring!r}")
        self.centring = centring
        unknown = [name for name in periodic if name not in self.axes]
        if unknown:
            raise GridError(f"periodic names the axis {unknown[0]!r}, but the grid has {', '.join(self.axes)}")
        self.periodic = tuple(name for name in self.axes if name in periodic)
        self._placed = self._placed_axes({} if nodes is None else nodes)
        for axis, name in enumerate(self.axes):
            step = self.smallest_spacing(axis)
            if not 1e-60 < step < 1e60:  # fourth derivatives divide by its fourth power
                raise GridError(f"the spacing along {name!r} is {step:g}; rescale the equation to lengths near 1")

    @property
    def dimension(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of points."""
        return math.prod(self.shape)

    @property
    def lengths(self) -> tuple[float, ...]:
        """Length of the domain along each axis."""
        return tuple(high - low for low, high in self.bounds)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance of neighbouring points along each axis; the mean distance if it is not uniform."""
        return tuple(
            length / (points - 1 if self.has_end_nodes(axis) else points)
            for axis, (length, points) in enumerate(zip(self.lengths, self.shape, strict=True))
        )

    @property
    def poles(self) -> frozenset[tuple[int, int]]:
        """The ends ``(axis, end)``, 0 low and 1 high, where the domain ends without a wall."""
        if self.system == CARTESIAN:
            return frozenset()
        ends = SYSTEMS[self.system].ends_at_pole(self.bounds[0])
        return frozenset((0, end) for end, pole in enumerate(ends) if pole)

    def is_uniform(self, axis: int) -> bool:
        """Whether neighbouring points of `axis` lie equally far apart by declaration."""
        return axis not in self._placed

    @property
    def nodes(self) -> dict[str, Clustered | tuple[float, ...]]:
        """What `nodes` said of every non-uniform axis: its rule, or its positions."""
        return {self.axes[axis]: placed.declared for axis, placed in self._placed.items()}

    def smallest_spacing(self, axis: int) -> float:
        """The smallest distance of neighbouring points; a point and its mirror image beyond a wall are neighbours."""
        if self.is_uniform(axis):
            return self.spacing[axis]
        return self.coordinate(axis, below=1, above=1).diff().min().item()

    def has_end_nodes(self, axis: int) -> bool:
        """True when the first and the last unknown of `axis` lie on the boundary."""
        return self.centring == "node" and self.axes[axis] not in self.periodic

    def mirror_distances(self, axis: int, end: int, width: int) -> tuple[float, ...]:
        """Distances of the ghosts ``0 .. width - 1`` beyond one end (0 low, 1 high) to the points that they mirror."""
        if not self.is_uniform(axis):
            return self._placed[axis].mirror_distances(end, width)
        first = 2 if self.has_end_nodes(axis) else 1
        return tuple((first + 2 * k) * self.spacing[axis] for k in range(width))

    def coordinate(
        self, axis: int, *, below: int = 0, above: int = 0, device: torch.device | str = "cpu"
    ) -> torch.Tensor:
        """Positions along one axis, float64, shape ``(below + N + above,)``.

        Ghosts continue a uniform spacing; on other axes they are mirror images at the walls, or repeat the period.
        Beyond a pole they are mirror images: what is as far from it on the other side.

        Raises:
            GridError: a non-uniform axis has fewer points than ghosts are asked for.
        """
        if not self.is_uniform(axis):
            return self._placed[axis].extended(below, above, device)
        step, (low, high) = self.spacing[axis], self.bounds[axis]
        first = low if self.centring == "node" else low + step / 2
        index = torch.arange(-below, self.shape[axis] + above, dtype=torch.float64, device=device)
        positions = first + index * step
        if (axis, 0) in self.poles:
            positions = low + (positions - low).abs()
        if (axis, 1) in self.poles:
            positions = high - (high - positions).abs()
        return positions

    def coordinates(self) -> tuple[torch.Tensor, ...]:
        """One float64 tensor of shape ``(*grid)`` per axis: ``x, y = grid.coordinates()``."""
        vectors = [self.coordinate(axis) for axis in range(self.dimension)]
        return torch.meshgrid(*vectors, indexing="ij")

    def weights(self, *, device: torch.device | str = "cpu") -> torch.Tensor:
        """Quadrature weights, float64, shape ``(*grid)``: the cell volumes, halved at end nodes (trapezoid).

        In curved coordinates they are exact, and count the angles that the grid leaves out: those of ``(r, z)`` sum to
        the volume of a cylinder.
        """
        if self.system != CARTESIAN:
            return cell_volumes(self, device).expand(self.shape)
        total = torch.ones((), dtype=torch.float64, device=device)
        for axis, points in enumerate(self.shape):
            index = torch.arange(points, dtype=torch.float64, device=device)
            at_end = ((index == 0) | (index == points - 1)) if self.has_end_nodes(axis) else index < 0
            width = self.spacing[axis] if self.is_uniform(axis) else self._placed[axis].widths(device)
            total = total.unsqueeze(-1) * (width * (1.0 - 0.5 * at_end.double()))
        return total

    def _placed_axes(self, nodes: Mapping[str, Nodes]) -> dict[int, PlacedAxis]:
        if not isinstance(nodes, Mapping):
            raise GridError(f"nodes is a dict of axes, such as {{'x': fs.Clustered('chebyshev')}}, got {nodes!r}")
        for name in nodes:
            if name not in self.axes:
                raise GridError(f"nodes names the axis {name!r}, but the grid has {', '.join(self.axes)}")
        return {
            axis: PlacedAxis(
                nodes[name],
                name,
                self.shape[axis],
                self.bounds[axis],
                on_node=self.centring == "node",
                periodic=name in self.periodic,
            )
            for axis, name in enumerate(self.axes)
            if name in nodes
        }

    def __repr__(self) -> str:
        bounds = ", ".join(f"({low:g}, {high:g})" for low, high in self.bounds)
        extra = f", periodic={self.periodic!r}" if self.periodic else ""
        if self._placed:
            extra += f", nodes={{{', '.join(f'{placed.name!r}: {placed}' for placed in self._placed.values())}}}"
        if self.system != CARTESIAN:
            extra += f", coordinates={self.system!r}"
        bounds += "," if self.dimension == 1 else ""
        return f"Grid(shape={self.shape}, bounds=({bounds}), centring={self.centring!r}{extra})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Grid) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        placed = tuple((axis, placed.positions) for axis, placed in self._placed.items())
        return self.shape, self.bounds, self.centring, self.periodic, placed, self.system


def _checked_shape(shape: int | Sequence[int]) -> tuple[int, ...]:
    if not isinstance(shape, (int, Sequence)):
        raise GridError(f"shape is an integer or one integer per axis, got shape={shape!r}")
    points = (shape,) if isinstance(shape, int) else tuple(shape)
    if not 1 <= len(points) <= 3:
        raise GridError(f"a grid has 1, 2 or 3 axes, got shape={shape!r}")
    for count in points:
        if isinstance(count, bool) or not isinstance(count, int) or count < 2:
            raise GridError(f"every axis needs an integer number of points, at least 2; got shape={shape!r}")
    return points


def _checked_bounds(
    dimension: int,
    extent: float | Sequence[float] | None,
    bounds: Sequence[Sequence[float]] | Sequence[float] | None,
) -> tuple[tuple[float, float], ...]:
    if (extent is None) == (bounds is None):
        raise GridError("give either extent=2.5 (starting at 0) or bounds=((x0, x1), ...), one of the two")
    given = f"extent={extent!r}" if extent is not None else f"bounds={bounds!r}"
    try:
        pairs = _pairs(dimension, extent, bounds)
    except (TypeError, ValueError):
        raise GridError(f"{given} is not made of numbers; write extent=2.5 or bounds=((x0, x1), ...)") from None
    if len(pairs) != dimension or any(len(pair) != 2 for pair in pairs):
        raise GridError(f"{given} does not fit a grid with {dimension} axes")
    for low, high in pairs:
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise GridError(f"every axis must run upwards between finite ends, got ({low:g}, {high:g})")
    return tuple((low, high) for low, high in pairs)


def _pairs(dimension: int, extent: Any, bounds: Any) -> tuple[tuple[float, ...], ...]:
    """What was given, as tuples of floats; raises TypeError or ValueError for what are no numbers."""
    if extent is not None:
        lengths = [extent] * dimension if isinstance(extent, (int, float)) else list(extent)
        return tuple((0.0, float(length)) for length in lengths)
    if all(isinstance(value, (int, float)) for value in bounds):  # one bare pair
        return (tuple(float(value) for value in bounds),)
    return tuple(tuple(float(value) for value in pair) for pair in bounds)
