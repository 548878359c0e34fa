"""Positions along a non-uniform axis: rules that cluster points, and the checks that any positions must pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from fieldsolver.errors import GridError

KINDS = ("chebyshev", "polynomial")
TOWARDS = ("low", "high", "both")


@dataclass(frozen=True)
class Clustered:
    """Points that crowd towards the walls: images of uniform points ``s`` of ``[0, 1]`` under a smooth map.

    The map of ``"chebyshev"`` is ``(1 - cos(pi s))/2``: the Gauss-Lobatto points of a node-centred axis, the Gauss
    points of a cell-centred one; the smallest spacing falls like ``1/N^2``. That of ``"polynomial"`` is ``s^p`` towards
    the low wall, ``1 - (1 - s)^p`` towards the high one, and half of each for both.

    Args:
        kind: ``"chebyshev"`` or ``"polynomial"``.
        power: ``p`` of the polynomial map, at least 1 (uniform); 2 unless given.
        towards: ``"low"``, ``"high"`` or ``"both"`` for the polynomial map; both unless given.

    Raises:
        GridError: another kind or end, a power below 1, or an option that the kind does not have.
    """

    kind: str
    power: float | None = None
    towards: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise GridError(f"points are clustered by one of {KINDS}, got {self.kind!r}")
        if self.kind == "chebyshev":
            if self.power is not None or self.towards is not None:
                raise GridError("Chebyshev points have neither power nor towards; use Clustered('polynomial', ...)")
            return
        if self.towards is not None and self.towards not in TOWARDS:
            raise GridError(f"points cluster towards one of {TOWARDS}, got {self.towards!r}")
        power = self.power
        number = power is None or (isinstance(power, (int, float)) and not isinstance(power, bool))
        if not number or not 1 <= (power or 2) < math.inf:
            raise GridError(f"the power of a polynomial clustering is at least 1, got {power!r}")

    def __call__(self, s: Tensor) -> Tensor:
        """The map of ``[0, 1]`` onto itself, increasing."""
        if self.kind == "chebyshev":
            return torch.sin(math.pi * s / 2) ** 2  # (1 - cos(pi s))/2 without cancellation near 0
        p = 2.0 if self.power is None else float(self.power)
        match self.towards:
            case "low":
                return s**p
            case "high":
                return 1 - (1 - s) ** p
        return torch.where(s < 0.5, (2 * s) ** p / 2, 1 - (2 - 2 * s).clamp(min=0) ** p / 2)


Nodes = Clustered | Sequence[float] | Tensor


def positions_along(
    given: Nodes, name: str, points: int, bounds: tuple[float, float], *, on_node: bool, periodic: bool
) -> tuple[float, ...]:
    """Positions of the unknowns along one axis, checked.

    Args:
        given: a rule, or the positions themselves.
        name: the axis, for messages.
        points: number of unknowns.
        bounds: the two walls.
        on_node: node-centred; the first unknown lies on the low wall, and the last on the high one unless `periodic`.
        periodic: the high wall is the low one again.

    Raises:
        GridError: positions that are too many or too few, not numbers, not increasing, or beyond the walls.
    """
    low, high = bounds
    if isinstance(given, Clustered):
        intervals = points - 1 if on_node and not periodic else points
        s = (torch.arange(points, dtype=torch.float64) + (0.0 if on_node else 0.5)) / intervals
        positions = (low + (high - low) * given(s)).tolist()
    else:
        positions = _numbers(given, name, points)
    if on_node:
        positions = _pinned(positions, name, bounds, periodic=periodic)
    for i, (left, right) in enumerate(pairwise(positions)):
        if not left < right:
            raise GridError(f"nodes of {name!r} must increase strictly, got {left:g} and then {right:g} (index {i})")
    inside = low <= positions[0] and positions[-1] <= high
    touching = not on_node and (positions[0] == low or positions[-1] == high)
    if not inside or touching or (periodic and positions[-1] == high):
        raise GridError(
            f"nodes of {name!r} reach from {positions[0]:g} to {positions[-1]:g}, but they must lie "
            f"{'within' if on_node else 'strictly between'} the bounds ({low:g}, {high:g})"
            + ("; give no node at the high end, which is the low one again" if periodic else "")
        )
    return tuple(positions)


def _numbers(given: Any, name: str, points: int) -> list[float]:
    try:
        values = torch.as_tensor(given, dtype=torch.float64).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        raise GridError(f"nodes of {name!r} are positions or fs.Clustered('chebyshev'), got {given!r}") from None
    if tuple(values.shape) != (points,):
        raise GridError(f"nodes of {name!r} have the shape {tuple(values.shape)}, but the axis has {points} points")
    if not torch.isfinite(values).all():
        raise GridError(f"nodes of {name!r} contain NaN or infinity; every position is a finite number")
    return values.tolist()


def _pinned(positions: list[float], name: str, bounds: tuple[float, float], *, periodic: bool) -> list[float]:
    """The end nodes put on the walls, from which round-off may have parted them."""
    low, high = bounds
    tolerance = 1e-12 * (high - low)
    if abs(positions[0] - low) > tolerance:
        raise GridError(f"the first node of {name!r} is the wall at {low:g}, got {positions[0]:g}; use centring='cell'")
    if periodic:
        return [low, *positions[1:]]
    if abs(positions[-1] - high) > tolerance:
        raise GridError(
            f"the last node of {name!r} is the wall at {high:g}, got {positions[-1]:g}; use centring='cell'"
        )
    return [low, *positions[1:-1], high]
