"""Which words mean something on which grid: curved coordinates and metrics know fewer than Cartesian grids.

Operators carry the name of their coordinates, so that whatever rewrites a graph (expansion, variation, manufactured
solutions) knows what a Laplacian is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fieldsolver.errors import BoundaryError, EquationTypeError, GridError, listing
from fieldsolver.space.boundary import Absorbing, Condition, Neumann, Pole, Robin, is_closed, side_name
from fieldsolver.space.coordinate_systems import CARTESIAN, GRAPH, SYSTEMS
from fieldsolver.space.graphs import Graph
from fieldsolver.space.grid import Grid
from fieldsolver.space.schemes import FiniteDifference

from .vocabulary import AXES, OPERATORS

if TYPE_CHECKING:
    from fieldsolver.space.metric import Metric

    from .lowering import Layout

METRIC = "metric"
"""The coordinates of an equation with a metric."""

_WORDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        SYSTEMS,
        ("laplacian", "diffusion", "gradient", "divergence", "advection", "gradient_squared", "biharmonic"),
    ),
    METRIC: ("laplacian", "diffusion", "gradient_squared"),
    GRAPH: ("laplacian", "diffusion", "gradient_squared", "biharmonic"),
}

_WHERE = {METRIC: "with a metric", GRAPH: "on a graph"}


def refuse_word(name: str, coordinates: str, *, matrix: bool = False) -> None:
    """Refuse a differential operator or convolution that the coordinates do not have.

    Raises:
        EquationTypeError: one sentence that says what to write instead.
    """
    if coordinates == CARTESIAN or (name in _WORDS[coordinates] and not matrix):
        return
    where = _WHERE.get(coordinates, f"in {coordinates} coordinates")
    if matrix:
        raise EquationTypeError(f"diffusion takes a scalar coefficient {where}, not a matrix")
    word = OPERATORS.get(name)
    if word is not None and word.axis is not None and coordinates in SYSTEMS:
        axes = SYSTEMS[coordinates].axes
        axis = axes[min(word.axis, len(axes) - 1)]
        raise EquationTypeError(
            f"{name} is not defined {where}; write gradient(u)[0] for du/d{axes[0]}"
            + (f" and gradient(u)[1] for the slope along {axis}" if axis != axes[0] else "")
        )
    have = "have" if coordinates in SYSTEMS else "has"
    raise EquationTypeError(f"{name} is not defined {where}, which {have} {listing(_WORDS[coordinates])}")


def coordinates_of(grids: Sequence[Grid], metric: Any) -> str:
    """The coordinates in which an equation is written: those of its grid, `METRIC`, or `GRAPH`."""
    if metric is not None:
        return METRIC
    first = grids[0] if grids else None
    return first.system if isinstance(first, (Grid, Graph)) else CARTESIAN


def as_metric(metric: Any, grids: Sequence[Grid]) -> Metric | None:
    """The metric of an equation from what the user gave: a `Metric`, or what one is made of.

    Raises:
        GridError: there is not one grid for it, or it was made on another.
        ParameterError: it is no metric.
    """
    if metric is None:
        return None
    if len(grids) != 1 or not isinstance(grids[0], Grid):
        raise GridError("metric= needs one grid, whose axes are the coordinates; pass grid=fs.Grid(...)")
    from fieldsolver.space.metric import Metric

    made = metric if isinstance(metric, Metric) else Metric(metric, grids[0])
    if made.grid != grids[0]:
        raise GridError(f"the metric was made on {made.grid!r}, but the equation lies on {grids[0]!r}; use one grid")
    return made


def check_grids(grids: Sequence[Grid]) -> None:
    """Refuse several grids in curved coordinates."""
    curved = [grid for grid in grids if isinstance(grid, Grid) and grid.system != CARTESIAN]
    if curved and len(grids) > 1:
        raise GridError(f"fields on grids of their own need Cartesian grids, got {curved[0]!r}")


def check_geometry(layout: Layout) -> None:
    """Refuse schemes and conditions that the coordinates of a layout do not have.

    Raises:
        GridError, BoundaryError: with one sentence each.
    """
    if layout.coordinates == CARTESIAN:
        return
    where = "a metric" if layout.coordinates == METRIC else f"{layout.coordinates} coordinates"
    if layout.mask is not None:
        raise GridError(f"mask= and {where} exclude each other; drop one")
    for scheme in layout.schemes:
        if scheme != FiniteDifference():
            raise GridError(
                f"equations in {where} are discretised by central differences of order 2; drop scheme= and "
                f"space_order=, got {scheme!r}"
            )
    if layout.coordinates != METRIC:
        for field, sides in layout.conditions.items():
            for (axis, end), condition in sides.items():
                _check_condition(layout, field, (axis, end), condition)


def _check_condition(layout: Layout, field: str, side: tuple[int, int], condition: Condition) -> None:
    grid, axis = layout.required_grid(), side[0]
    name = side_name(side, grid.axes)
    if axis == 0 and is_closed(condition):
        raise BoundaryError(
            f"{grid.axes[0]!r} of {grid.system} coordinates does not close on itself; give {field!r} a condition such "
            f"as fs.Neumann(0) at {name!r} instead of {type(condition).__name__}"
        )
    angular = axis == 1 and SYSTEMS[grid.system].turn < float("inf")
    slope = isinstance(condition, Neumann) and not isinstance(condition, Pole) and condition.value != 0
    if angular and (slope or isinstance(condition, (Robin, Absorbing))):
        raise BoundaryError(
            f"at {name!r} a condition on the slope of {field!r} would have to follow the distance from the axis; use "
            "fs.Neumann(0), fs.Dirichlet or fs.Periodic()"
        )


def slope_word(axis: int) -> str:
    """The internal name of the physical component of a gradient along one axis."""
    return f"d_d{AXES[axis]}"
