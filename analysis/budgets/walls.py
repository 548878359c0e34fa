"""Insulated walls: the same operators where nothing passes, against which the flux through the real walls is measured.

With Neumann walls at zero a conservative operator brings nothing through them:
``<v, laplacian(u)> = -<grad v, grad u>`` without boundary terms, to round-off for the stencils of this package that are
symmetric. What the real walls add to that is the flux through them: ``v du/dn`` integrated over the wall, whether the
wall holds a value (Dirichlet), a slope (Neumann), both (Robin) or lets waves out (absorbing).
"""

from __future__ import annotations

from dataclasses import replace

from fieldsolver.equations import build
from fieldsolver.equations.lowering import Layout
from fieldsolver.space.boundary import Condition, Neumann, Pole, is_closed


def has_walls(layout: Layout) -> bool:
    """Whether anything could flow through a wall or the border of a mask."""
    sides = [condition for conditions in layout.conditions.values() for condition in conditions.values()]
    return any(_is_wall(condition) for condition in (*sides, *layout.mask_conditions.values()))


def insulated(layout: Layout) -> Layout | None:
    """The layout with Neumann walls at zero; None where walls act through held nodes of a collocation."""
    if any(layout.collocates(axis) for axis in range(layout.dimension)):
        return None
    zero = build.number(0)
    return replace(
        layout,
        conditions={
            field: {side: Neumann(0.0) if _is_wall(condition) else condition for side, condition in sides.items()}
            for field, sides in layout.conditions.items()
        },
        wall_values={field: dict.fromkeys(sides, zero) for field, sides in layout.wall_values.items()},
        mask_conditions=dict.fromkeys(layout.mask_conditions, Neumann(0.0)),
        mask_values=dict.fromkeys(layout.mask_values, zero),
    )


def _is_wall(condition: Condition) -> bool:
    return not (is_closed(condition) or isinstance(condition, Pole))
