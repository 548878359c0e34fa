"""Whether a declared equation is linear in its state, with sources, by its graph: what no probe can see everywhere."""

from __future__ import annotations

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.graph import (
    Component,
    Convolution,
    Depends,
    Dot,
    FieldSymbol,
    Function,
    MatrixProduct,
    Negative,
    Node,
    Product,
    Quotient,
    Reduction,
    SpatialOperator,
    Stack,
    Sum,
    Transfer,
    Treatment,
)
from fieldsolver.equations.vocabulary import OPERATORS

REAL_LINEAR = ("real", "imag", "conj")
"""Functions that are linear in the real and the imaginary part."""


def is_affine(equation: FieldEquation) -> bool:
    """Whether all right-hand sides and walls are; modules count as nonlinear, upwind schemes as linear."""
    walls = [node for sides in equation.layout.wall_values.values() for node in sides.values()]
    return all(_is_affine(node) for node in (*equation.right_sides.values(), *walls))


def _is_affine(node: Node) -> bool:
    if _is_given(node):
        return True
    operands = node.operands
    match node:
        case FieldSymbol():
            return True
        case Sum() | Negative() | Treatment() | Component() | Stack() | Reduction() | Convolution() | Transfer():
            return all(map(_is_affine, operands))
        case Product() | Dot() | MatrixProduct():
            moving = [operand for operand in operands if not _is_given(operand)]
            return len(moving) == 1 and _is_affine(moving[0])
        case Quotient():
            return _is_affine(operands[0]) and _is_given(operands[1])
        case Function():
            chosen = node.name == "where" and _is_given(operands[0])
            return (chosen or node.name in REAL_LINEAR) and all(map(_is_affine, operands))
        case SpatialOperator():
            linear = OPERATORS[node.name].linear and all(map(_is_given, operands[:-1]))
            return linear and _is_affine(operands[-1])
    return False


def _is_given(node: Node) -> bool:
    return not node.depends & Depends.STATE
