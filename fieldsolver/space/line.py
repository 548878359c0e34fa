"""One axis of a grid as a grid of its own."""

from __future__ import annotations

from fieldsolver.errors import GridError

from .coordinate_systems import CARTESIAN
from .grid import Grid


def line_of(grid: Grid, axis: int, at_most: int | None = None) -> Grid:
    """The axis with its points, walls and centring, called ``x``.

    Args:
        grid: any grid.
        axis: which of its axes.
        at_most: shorten a uniform axis to so many points, its spacing kept.

    Raises:
        GridError: the grid is curved and has several axes; one with a single axis is returned as it is.
    """
    if grid.system != CARTESIAN:
        if grid.dimension == 1:
            return grid
        raise GridError(f"the axes of {grid.system} coordinates do not act independently; this needs a Cartesian grid")
    points, (low, high) = grid.shape[axis], grid.bounds[axis]
    closed = ("x",) if grid.axes[axis] in grid.periodic else ()
    if not grid.is_uniform(axis):
        nodes = {"x": grid.coordinate(axis).tolist()}
        return Grid(points, bounds=(low, high), centring=grid.centring, periodic=closed, nodes=nodes)
    if at_most is not None and points > at_most:
        intervals = at_most - int(grid.has_end_nodes(axis))
        points, high = at_most, low + intervals * grid.spacing[axis]
    return Grid(points, bounds=(low, high), centring=grid.centring, periodic=closed)
