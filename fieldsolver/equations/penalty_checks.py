"""Conditions under summation by parts act through penalties; a condition without one would be ignored in silence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fieldsolver.errors import BoundaryError
from fieldsolver.space.boundary import is_closed, side_name

from .graph import FieldSymbol, Node, SpatialOperator, walk
from .lowering import Layout
from .vocabulary import OPERATORS

PENALISED = frozenset({"laplacian", "diffusion", "advection", "biharmonic"})


def check_penalties(layout: Layout, right_sides: Mapping[str, Node]) -> None:
    """Refuse fields that are differentiated once along an axis with penalties, and nowhere in a way that has them.

    Raises:
        BoundaryError: their conditions there would never be felt.
    """
    for axis in range(len(layout.schemes)):
        if layout.penalises(axis):
            operators = [node for node in walk(*right_sides.values()) if _acts_along(node, axis)]
            felt = _fields(node for node in operators if _has_penalties(node))
            once = _fields(node for node in operators if OPERATORS[str(node.content[0])].derivative_order == 1)
            for name in once - felt:
                _refuse(layout, name, axis)


def _acts_along(node: Node, axis: int) -> bool:
    return isinstance(node, SpatialOperator) and OPERATORS[node.name].axis in (None, axis)


def _has_penalties(node: Node) -> bool:
    name = str(node.content[0])
    return name in PENALISED or (OPERATORS[name].axis is not None and OPERATORS[name].derivative_order == 2)


def _fields(operators: Iterable[Node]) -> set[str]:
    """The fields in what the operators differentiate."""
    operands = [node.operands[-1] for node in operators]
    return {part.name for part in walk(*operands) if isinstance(part, FieldSymbol)} if operands else set()


def _refuse(layout: Layout, field: str, axis: int) -> None:
    sides = layout.conditions[field]
    if not is_closed(sides[axis, 0]):
        names = " and ".join(repr(side_name((axis, end), layout.required_grid().axes)) for end in (0, 1))
        raise BoundaryError(
            f"under summation by parts a first derivative of {field!r} does not feel the conditions at {names}; write "
            "advection(v, u), whose inflow is penalised, or use closure='reflection'"
        )
