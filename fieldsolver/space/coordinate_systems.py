"""Named orthogonal coordinates: names of their axes, volumes and areas of their cells, and where poles lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fieldsolver.errors import GridError, listing, nearest

CARTESIAN = "cartesian"
GRAPH = "graph"
"""What a graph says in the place of coordinates: it has none."""
_ROUND_OFF = 1e-12


def _one(q: Tensor) -> Tensor:
    return torch.ones_like(q)


def _itself(q: Tensor) -> Tensor:
    return q


@dataclass(frozen=True)
class CoordinateSystem:
    """Orthogonal coordinates whose geometry depends on the first one, q, alone; that one measures length.

    Attributes:
        axes: names of the coordinates.
        limits: what q may be.
        density: √g.
        volume: its integral over q.
        symmetry: per number of axes that a grid may have, the measure of the angles that its fields do not depend on.
        scale: h of the second coordinate, which measures ``h dx``.
        side: integral over q of ``√g/h``, the area of the faces across the second coordinate.
        turn: the greatest length of the second coordinate.
    """

    axes: tuple[str, ...]
    limits: tuple[float, float]
    density: Callable[[Tensor], Tensor]
    volume: Callable[[Tensor], Tensor]
    symmetry: Mapping[int, float]
    scale: Callable[[Tensor], Tensor] = _one
    side: Callable[[Tensor], Tensor] = _itself
    turn: float = math.inf

    def ends_at_pole(self, bounds: tuple[float, float]) -> tuple[bool, bool]:
        """Whether the faces at the low and at the high end of q have no area."""
        tolerance = _ROUND_OFF * (bounds[1] - bounds[0])
        at_zero = abs(bounds[0]) <= tolerance
        return at_zero, math.isfinite(self.limits[1]) and abs(bounds[1] - self.limits[1]) <= tolerance


_TURN = 2 * math.pi
SYSTEMS: dict[str, CoordinateSystem] = {
    "polar": CoordinateSystem(
        ("r", "theta"), (0, math.inf), _itself, lambda r: r**2 / 2, {1: _TURN, 2: 1.0}, _itself, _itself, _TURN
    ),
    "cylindrical": CoordinateSystem(
        ("r", "z"), (0, math.inf), _itself, lambda r: r**2 / 2, {2: _TURN}, _one, lambda r: r**2 / 2
    ),
    "spherical": CoordinateSystem(("r",), (0, math.inf), torch.square, lambda r: r**3 / 3, {1: 2 * _TURN}),
    "sphere": CoordinateSystem(
        ("theta", "phi"), (0, math.pi), torch.sin, lambda t: -t.cos(), {2: 1.0}, torch.sin, _itself, _TURN
    ),
}
"""Disk (r) or (r, θ); axisymmetric (r, z); radially symmetric ball (r); unit sphere, colatitude θ and longitude φ."""


def checked_axes(
    name: str, shape: Sequence[int], bounds: Sequence[tuple[float, float]], centring: str, *, uniform: bool
) -> tuple[str, ...]:
    """Names of the axes of a grid in the coordinates `name`.

    Raises:
        GridError: an unknown system, or a grid that does not fit it.
    """
    if name not in SYSTEMS:
        known = (CARTESIAN, *SYSTEMS)
        raise GridError(f"coordinates are {listing(known)}, got {name!r}{nearest(str(name), known)}")
    system = SYSTEMS[name]
    axes = system.axes[: len(shape)]
    if len(shape) not in system.symmetry:
        allowed = " or ".join(f"({', '.join(system.axes[:count])})" for count in system.symmetry)
        raise GridError(f"{name} coordinates are {allowed}, got a grid with {len(shape)} axes")
    if centring != "cell" or not uniform:
        raise GridError(f"{name} coordinates need a uniform, cell-centred grid; drop centring= and nodes=")
    (first, last), (low, high) = bounds[0], system.limits
    if first < low or last > high * (1 + _ROUND_OFF):
        raise GridError(f"{axes[0]} lies between {low:g} and {high:g}, got bounds ({first:g}, {last:g})")
    if len(shape) == 2 and bounds[1][1] - bounds[1][0] > system.turn * (1 + _ROUND_OFF):
        length = bounds[1][1] - bounds[1][0]
        raise GridError(f"{axes[1]} runs over one turn, 2 pi, at most, got {length:g}; write bounds=(..., (0, 2*pi))")
    return axes
