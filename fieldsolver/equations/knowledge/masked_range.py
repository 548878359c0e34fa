"""Where the eigenvalues of differences between the cells of a mask lie, whatever the mask.

Along an axis the cells inside form pieces of a line. A cell sees its neighbour, or through a closed face s times itself
(plus data): s is +1 without flux, -1 where the value is held, and what the condition of the domain's own wall gives.
With l and u the numbers of the closed faces below and above (none for an open one), the rows are

    h^2 d2u/dx2 = sum over open faces of u_neighbour + (l + u - 2) u
    2 h du/dx   = u_above - u_below,  with the diagonal u - l.

The first matrix is symmetric, and Gershgorin's circles bound it. The second is a skew-symmetric one, of norm at most 2,
plus that diagonal. These numerical ranges add over axes and terms; eigenvalues alone would not.
"""

from __future__ import annotations

from itertools import product

from fieldsolver.space.boundary import Absorbing, Condition, Dirichlet, Neumann, is_closed
from fieldsolver.space.closure import ghost_rule

from ..lowering import Layout

Box = tuple[float, float, float]
"""Smallest and largest real part, largest imaginary part."""


def masked_range(layout: Layout, field: str, axis: int, kind: int | str) -> Box:
    """A box around the numerical range of a derivative (1 or 2) or of ``"diffusion"`` along one axis."""
    h = layout.required_grid().spacing[axis]
    below, above = (_closed_faces(layout, field, axis, end) for end in (0, 1))
    if kind == 1:
        diagonal = [(u or 0.0) - (s or 0.0) for s, u in product(below, above)]
        return min(diagonal) / (2 * h), max(diagonal) / (2 * h), 1 / h
    circles = [((s or 0.0) + (u or 0.0) - 2, (s is None) + (u is None)) for s, u in product(below, above)]
    return min(c - r for c, r in circles) / h**2, max(c + r for c, r in circles) / h**2, 0.0


def _closed_faces(layout: Layout, field: str, axis: int, end: int) -> list[float | None]:
    """What a cell can see of itself through a face at this end; None for another cell."""
    at_mask = 1.0 if isinstance(layout.mask_conditions[field], Neumann) else -1.0
    wall = layout.conditions[field][axis, end]
    return [None, at_mask] if is_closed(wall) else [None, at_mask, _mirror(wall, layout.required_grid().spacing[axis])]


def _mirror(wall: Condition, spacing: float) -> float:
    match wall:
        case Dirichlet():
            return -1.0
        case Neumann() | Absorbing():
            return 1.0
    return ghost_rule(wall, 1, spacing, on_node=False).mirror[0]
