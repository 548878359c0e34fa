"""What absorbing walls add to the spectrum of a wave: damping of the velocity next to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fieldsolver.space.boundary import Absorbing

from ..calculus.differentiate import differentiate
from ..graph import Node
from .affine import LinearTerm
from .line_matrix import wall_response
from .spectra import Bound, axes_of, kind_of

if TYPE_CHECKING:
    from ..field_equation import FieldEquation


def damped(
    equation: FieldEquation, bound: Bound, linear: Sequence[LinearTerm], values: Callable[[Node], np.ndarray]
) -> Bound:
    """Widen the bound of the same equation with closed walls (no flux) towards the decaying side.

    An absorbing wall lets ``-v/c`` through in place of nothing; the rate of the velocity v next to it changes by the
    response of the operator to that slope.
    """
    damping = 0.0
    for term in linear:
        for name in term.operators:
            damping += float(np.abs(values(term.coefficient)).max()) * _response(equation, term.field, name, values)
    return replace(bound, kind="upper", lowest=bound.lowest - damping, reason="absorbing walls damp")


def _response(equation: FieldEquation, field: str, name: str, values: Callable[[Node], np.ndarray]) -> float:
    layout, total = equation.layout, 0.0
    grid = layout.required_grid()
    for axis in axes_of(layout, name):
        for end in (0, 1):
            if not isinstance(layout.conditions[field][axis, end], Absorbing):
                continue
            slope = differentiate(layout.wall_values[field][axis, end], equation.state_symbol(f"d{field}/dt"))
            trace = 1.0 if grid.has_end_nodes(axis) else 2.0  # 3/2 of one cell less 1/2 of the next
            response = wall_response(layout, field, axis, end, kind_of(name))
            total = max(total, response * trace * float(np.abs(values(slope)).max()))
    return total
