"""An axis whose points have positions of their own."""

from __future__ import annotations

import torch
from torch import Tensor

from fieldsolver.errors import GridError

from .spacing import Clustered, Nodes, positions_along
from .table import Table


class PlacedAxis:
    """Positions between two walls, and their images beyond them.

    Args:
        given: a rule or the positions.
        name: the axis, for messages.
        points: number of unknowns.
        bounds: the two walls.
        on_node: the grid is node-centred.
        periodic: the high wall is the low one again.

    Raises:
        GridError: the positions are not possible.
    """

    def __init__(
        self, given: Nodes, name: str, points: int, bounds: tuple[float, float], *, on_node: bool, periodic: bool
    ) -> None:
        self.name, self.bounds, self.periodic = name, bounds, periodic
        self.positions = positions_along(given, name, points, bounds, on_node=on_node, periodic=periodic)
        self.declared: Clustered | tuple[float, ...] = given if isinstance(given, Clustered) else self.positions
        self._skip = int(on_node and not periodic)  # a node on the wall is its own image
        self._table = Table(torch.tensor(self.positions, dtype=torch.float64))

    def extended(self, below: int, above: int, device: torch.device | str) -> Tensor:
        """Positions with ghosts, float64 ``(below + N + above,)``: mirrored at the walls, or one period away."""
        inside = self._table.on(torch.device(device), torch.float64)
        (low, high), points, skip = self.bounds, len(self.positions), self._skip
        if max(below, above) > points - skip:
            raise GridError(f"axis {self.name!r} has {points} points, too few for {max(below, above)} ghosts at an end")
        if self.periodic:
            period = high - low
            return torch.cat([inside[points - below :] - period, inside, inside[:above] + period])
        lower = 2 * low - inside[skip : skip + below].flip(0)
        upper = 2 * high - inside[points - skip - above : points - skip].flip(0)
        return torch.cat([lower, inside, upper])

    def widths(self, device: torch.device | str) -> Tensor:
        """Distance from half-way to the point before to half-way to the point after, ghosts included."""
        positions = self.extended(1, 1, device)
        return (positions[2:] - positions[:-2]) / 2

    def mirror_distances(self, end: int, width: int) -> tuple[float, ...]:
        """As `Grid.mirror_distances`."""
        inwards = self.positions if end == 0 else self.positions[::-1]
        return tuple(2 * abs(position - self.bounds[end]) for position in inwards[self._skip : self._skip + width])

    def __repr__(self) -> str:
        if isinstance(self.declared, Clustered):
            return repr(self.declared)
        shown = [f"{position:g}" for position in self.positions]
        return f"({', '.join(shown if len(shown) <= 8 else [*shown[:3], '...', *shown[-2:]])})"
