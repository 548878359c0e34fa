"""Does an equation bring all its states together, and how fast? A certificate where one can be given."""

from __future__ import annotations

from collections.abc import Sequence

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.graph import FieldSymbol, ModuleCall, Stack, walk
from fieldsolver.equations.knowledge import linear_part, split

from .contractive import Contractive
from .param_groups import rates

SYMMETRIC = ("fourier", "cosine", "sine")
"""Transforms with orthonormal modes: there the eigenvalues bound the symmetric part."""


def contraction_rate(equation: FieldEquation, inputs: Sequence[str] = ()) -> float | None:
    """A rate r > 0 such that any two states approach at least like exp(-r t), whatever is fed; None if none is proved.

    Proved for one field with ``diagonal linear terms + net(field, ...) + sources``, where `net` is `Contractive`, and
    the linear terms have real eigenvalues in orthonormal modes (cells, no mask): r is the margin of `net` minus the
    largest of these. None does not say that the equation is not contractive.

    Args:
        equation: with its coefficients of this moment.
        inputs: parameters that are fed; if one of them sets a rate, nothing is proved.
    """
    if (
        len(equation.fields) != 1
        or equation.is_complex
        or equation.events
        or equation.noises
        or set(inputs) & rates(equation)
    ):
        return None
    (field,) = equation.fields
    terms, rest = split(field, equation.right_sides[field], equation.layout)
    dynamics = [remainder.node for remainder in rest if not remainder.is_source]
    if len(dynamics) != 1 or not all(term.is_diagonal and term.is_constant for term in terms):
        return None
    margin = _margin(equation, field, dynamics[0])
    known = linear_part(equation)
    if (
        margin is None
        or known.bound.kind != "exact"
        or known.bound.imaginary > 0
        or not _orthonormal(equation, known.transform)
    ):
        return None
    rate = margin - known.bound.highest
    return rate if rate > 0 else None


def _orthonormal(equation: FieldEquation, transforms: Sequence[str]) -> bool:
    if equation.layout.graph is not None or equation.layout.mask is not None or equation.layout.metric is not None:
        return False
    cells = equation.grid is None or all(grid.centring == "cell" for grid in equation.fields_by_grid())
    return cells and all(transform in SYMMETRIC for transform in transforms)


def _margin(equation: FieldEquation, field: str, node: object) -> float | None:
    """That of a `Contractive` module whose first argument is the field, and nothing else is."""
    if not isinstance(node, ModuleCall):
        return None
    module = equation.submodules[node.name]
    operands = [
        part for operand in node.operands for part in (operand.operands if isinstance(operand, Stack) else [operand])
    ]
    if not isinstance(module, Contractive) or not operands or not isinstance(operands[0], FieldSymbol):
        return None
    elsewhere = any(isinstance(part, FieldSymbol) for operand in operands[1:] for part in walk(operand))
    fits = operands[0].name == field and operands[0].components == module.features
    return module.margin if fits and not elsewhere else None
