"""Where an expression is evaluated: on the grid, with ghost layers beyond it, or on a wall."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fieldsolver.errors import BoundaryError
from fieldsolver.space.boundary import Side

from ..graph import Node


@dataclass(frozen=True)
class Place:
    """A set of points.

    Attributes:
        ghosts: ``(axis, width)`` in the order of the axes: so many layers more on both ends of that axis.
        wall: one side of the domain instead of all its points; the axis then has one point.
        at_mask: what the faces of the mask hold, in the place of the cell inside, instead of the cells' own values.
    """

    ghosts: tuple[tuple[int, int], ...] = ()
    wall: Side | None = None
    at_mask: bool = False

    def width(self, axis: int) -> int:
        """Number of ghost layers along `axis`."""
        return dict(self.ghosts).get(axis, 0)

    def before(self, axis: int) -> Place:
        """The same points without the ghost layers along `axis` and those after it."""
        return replace(self, ghosts=tuple(item for item in self.ghosts if item[0] < axis))

    def on(self, side: Side) -> Place:
        """The wall at `side`, with the ghost layers along it."""
        return Place(tuple(item for item in self.ghosts if item[0] != side[0]), side)


GRID = Place()


def extended(axis: int, width: int) -> Place:
    """The grid with `width` ghost layers on both ends of `axis`."""
    return Place(((axis, width),)) if width else GRID


def refuse_on_wall(node: Node, place: Place) -> None:
    """Raise `BoundaryError` where the value of a wall contains what is known inside the domain only."""
    if place.wall is not None:
        raise BoundaryError(f"boundary values cannot contain {node}")
