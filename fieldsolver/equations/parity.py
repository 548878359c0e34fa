"""How an expression continues beyond the end of an axis: evenly (+1), oddly (-1), or neither (0).

At a wall this is its symmetry under reflection; on an axis that closes on itself, the sign with which it returns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldsolver.space.boundary import AntiPeriodic, Dirichlet, Neumann, Side, is_closed

from .calculus.expansion import expand, is_composed
from .graph import (
    Component,
    CoordinateSymbol,
    DefinedSymbol,
    Depends,
    FieldSymbol,
    Function,
    ModuleCall,
    Negative,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    SpatialOperator,
    Sum,
    Transfer,
    Treatment,
)
from .vocabulary import FUNCTIONS, OPERATORS

if TYPE_CHECKING:
    from .lowering.layout import Layout


def parity(node: Node, layout: Layout, side: Side) -> int:
    """Parity of `node` under reflection at `side`, when the fields there are reflected homogeneously."""
    if not node.depends & Depends.SPACE or side in layout.required_grid().poles:
        return 1
    if isinstance(node, FieldSymbol):
        return _field_parity(node, layout, side)
    if isinstance(node, Transfer):
        return 0  # beyond the ends of another grid it has no mirror image on this one
    if isinstance(node, CoordinateSymbol):
        return 0 if node.axis == side[0] else 1
    if isinstance(node, SpatialOperator) and is_composed(node):
        return parity(expand(node, layout.dimension), layout, side)
    below = [parity(operand, layout, side) for operand in node.operands]
    match node:
        case Negative():
            return below[0]
        case Sum():
            return below[0] if len(set(below)) == 1 else 0
        case Product() | Quotient():
            return _product(below)
        case Power():
            return _power(node, below)
        case Function() if FUNCTIONS[node.name].arity == 1:
            return 1 if below[0] == 1 else FUNCTIONS[node.name].parity if below[0] == -1 else 0
        case SpatialOperator():
            return _operator(node, below, side, layout)
        case ModuleCall() if node.name in layout.nonlocal_modules:
            return 0
        case Function() | ModuleCall():
            return 1 if all(sign == 1 for sign in below) else 0
        case Component() | DefinedSymbol() | Treatment():
            return below[0]
    return 0


def _field_parity(node: FieldSymbol, layout: Layout, side: Side) -> int:
    condition = layout.conditions[node.name][side]
    if is_closed(condition):
        return -1 if isinstance(condition, AntiPeriodic) else 1
    value = layout.wall_values[node.name].get(side)
    if not (isinstance(value, Number) and value.value == 0):
        return 0
    match condition:
        case Neumann():
            return 1
        case Dirichlet():
            return -1
    return 0


def _product(below: list[int]) -> int:
    sign = 1
    for factor in below:
        sign *= factor
    return sign


def _power(node: Node, below: list[int]) -> int:
    exponent = node.operands[1]
    if below[0] == 1 and below[1] == 1:
        return 1
    if isinstance(exponent, Number) and isinstance(exponent.value, int):
        return below[0] ** exponent.value if below[0] else 0
    return 0


def _operator(node: SpatialOperator, below: list[int], side: Side, layout: Layout) -> int:
    word = OPERATORS[node.name]
    if node.name == "gradient_squared":
        return 1 if below[0] else 0
    if node.name == "diffusion":
        # Fluxes towards the wall meet a coefficient that is reflected evenly, whatever it is; those along it do not.
        return below[1] if layout.dimension == 1 or below[0] == 1 else 0
    # A slope changes its sign in a mirror, but not where the axis continues at its other end.
    flips = word.axis == side[0] and word.derivative_order % 2 == 1 and not layout.is_closed(side[0])
    return _product(below) * (-1 if flips else 1)
