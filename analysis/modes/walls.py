"""Whether uniform perturbations are modes of the domain, so that the system without space is one of its solutions."""

from __future__ import annotations

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.lowering.pointwise import fold_constant
from fieldsolver.space.boundary import Condition, Neumann, Periodic

from .refusals import NoPlaneWaves


def require_uniform(equation: FieldEquation) -> None:
    """That uniform states stay uniform, whatever their value.

    Raises:
        NoPlaneWaves: a wall or the edge of a kernel does not let them; names it.
    """
    layout = equation.layout
    for name, sides in layout.conditions.items():
        for side, condition in sides.items():
            wall = layout.wall_values.get(name, {}).get(side)
            value = fold_constant(wall) if wall is not None and not wall.depends else None
            if not (isinstance(condition, Periodic) or (isinstance(condition, Neumann) and value == 0)):
                raise NoPlaneWaves(_refusal(name, condition))
    for name, condition in layout.mask_conditions.items():
        if type(condition) is not Neumann or condition.value != 0:
            raise NoPlaneWaves(_refusal(name, condition))
    for name, kernel in layout.kernels.items():
        if kernel.edge == "zero" and layout.dimension:
            raise NoPlaneWaves(
                f"the kernel {name!r} sees nothing beyond the walls, so uniform states do not stay uniform there; "
                'give it edge="periodic" or "reflect"'
            )


def _refusal(field: str, condition: Condition) -> str:
    return (
        f"the walls hold {field!r} ({type(condition).__name__}), so uniform states do not stay uniform and uniform "
        "perturbations are no modes of the domain; dispersion(...) lists its modes where the walls leave one state "
        "alone, and stability(...) judges any state"
    )
