"""``[kernels]``: expressions in the displacement, or samples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from fieldsolver.errors import FieldSolverError, FileFormatError
from fieldsolver.space.convolution import Kernel
from fieldsolver.space.grid import Grid

from ..graph import Depends, Node
from .document import Document
from .expressions import fixed_values
from .limits import MAX_VALUES
from .shapes import Keys
from .values import as_tensor


@dataclass(frozen=True)
class KernelExpression:
    """A kernel given as text; called with the displacements along every axis."""

    document: Document
    keys: Keys
    text: str
    symbols: Mapping[str, Node]
    axes: tuple[str, ...]

    def __call__(self, *displacements: Tensor) -> Tensor:
        """The values at the displacements, float64."""
        return fixed_values(self.document, self.keys, self.text, self.symbols, self.axes, displacements)


def read_kernels(document: Document, grid: Grid | None, known: Mapping[str, Node]) -> dict[str, Kernel]:
    """The kernels as `FieldEquation` takes them, each sampled once to see that it can be."""
    kernels: dict[str, Kernel] = {}
    # What varies in space means a place there, and would mean a displacement here.
    symbols = {name: node for name, node in known.items() if not node.depends & Depends.SPACE}
    for name, table in document.table("kernels").items():
        if grid is None:
            raise document.refuse(("kernels", name), f"has {name!r}, but the file has no [grid]")
        keys = ("kernels", name)
        radius = table.get("radius")
        if _displacements(grid, radius) > MAX_VALUES:
            raise document.refuse(keys, f"samples {name!r} at more than {MAX_VALUES} displacements; use a coarser grid")
        try:
            if "values" in table:
                kernel = Kernel(as_tensor(table["values"], "values"), table["edge"], normalise=table.get("normalise"))
                kernel.samples(grid)
            else:
                function = KernelExpression(document, keys, table["function"], symbols, grid.axes)
                norms = {"radius": radius, "normalise": table.get("normalise")}
                kernel = Kernel(Kernel(function, table["edge"], **norms).samples(grid), table["edge"])
        except FileFormatError:
            raise
        except FieldSolverError as error:
            raise document.refuse(keys, f"{name!r}: {error}") from None
        kernels[name] = kernel
    return kernels


def _displacements(grid: Grid, radius: float | None) -> int:
    """At how many displacements a kernel is sampled, at most."""
    reach = math.inf if radius is None else radius
    halves = (min(points - 1, reach / step) for points, step in zip(grid.shape, grid.spacing, strict=True))
    return math.prod(2 * int(half) + 1 for half in halves)
