"""Where an expression is evaluated: on the grid, on a grid with ghost layers, or on a wall."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Extended:
    """Evaluate on the grid with `width` ghost layers on both ends of `axis`."""

    axis: int
    width: int


@dataclass(frozen=True)
class OnWall:
    """Evaluate on one wall of the domain."""

    axis: int
    end: int


Place = Extended | OnWall | None
