"""``[grid]`` and ``[boundary]``."""

from __future__ import annotations

import math
from typing import Any

from fieldsolver.errors import GridError
from fieldsolver.space.boundary import (
    Absorbing,
    AntiPeriodic,
    Condition,
    Declaration,
    Dirichlet,
    Neumann,
    Periodic,
    Robin,
)
from fieldsolver.space.grid import Grid
from fieldsolver.space.spacing import Clustered

from .document import Document
from .limits import MAX_VALUES
from .structure import CONDITIONS
from .values import plain_number

_CLOSED: dict[str, Condition] = {"periodic": Periodic(), "antiperiodic": AntiPeriodic()}


def read_grid(document: Document) -> Grid | None:
    """The grid, or None without the table.

    Raises:
        FileFormatError: it has more points than a file may ask for.
        GridError: it cannot be.
    """
    table = document.table("grid")
    if not table:
        return None
    components = document.table("equation").get("components", {}).values()
    _check_bounds(document, table)
    grid = Grid(**table | {"nodes": {axis: _nodes(value) for axis, value in table.get("nodes", {}).items()}})
    if grid.size * max(1, sum(components)) > MAX_VALUES:
        raise document.refuse(
            ("grid", "shape"),
            f"has {grid.size} points; points times components may be at most {MAX_VALUES} in a file",
        )
    if not all(math.isfinite(step) and step > 0 for step in grid.spacing):
        raise GridError(f"the points of the grid are {grid.spacing} apart, which double precision cannot hold")
    return grid


def _check_bounds(document: Document, table: dict[str, Any]) -> None:
    bounds, shape = table.get("bounds"), table["shape"]
    if bounds is None:
        return
    pairs = [bounds] if not any(isinstance(pair, list) for pair in bounds) else bounds
    axes = 1 if isinstance(shape, int) else len(shape)
    if len(pairs) != axes or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise document.refuse(("grid", "bounds"), f"needs a pair [low, high] per axis for 'bounds', got {bounds!r}")


def _nodes(value: dict[str, Any] | list[float]) -> Clustered | list[float]:
    return Clustered(**value) if isinstance(value, dict) else value


def read_boundary(document: Document) -> Declaration:
    """The boundary as `FieldEquation` takes it."""
    table = document.table("boundary")
    if not table:
        return None
    if "all" in table:
        return _condition(table["all"])
    return {key: _of_field(value) for key, value in table.items()}


def _of_field(value: Any) -> Any:
    if isinstance(value, str) or set(value) & set(CONDITIONS):
        return _condition(value)
    return {side: _condition(inner) for side, inner in value.items()}


def _condition(value: Any) -> Condition:
    if isinstance(value, str):
        return _CLOSED[value]
    if "robin" in value:
        robin = value["robin"]
        return Robin(robin["a"], robin["b"], _wall_value(robin.get("value", 0.0)))
    if "absorbing" in value:
        return Absorbing(value["absorbing"])
    kind = Dirichlet if "dirichlet" in value else Neumann
    return kind(_wall_value(next(iter(value.values()))))


def _wall_value(value: Any) -> float | complex | str:
    return value if isinstance(value, str) else plain_number(value)
