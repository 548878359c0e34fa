"""Operators applied one after the other, where a wall shows each of them something else.

An odd derivative turns what is even at a wall into what is odd there, so the next operator along that axis has another
matrix: that of the second ``d_dx`` in ``d_dx(d_dx(u))`` between walls without flux belongs to walls at zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

from ..lowering import Layout
from .line_matrix import Kind, line_range, line_size
from .spectra import MAX_LINE, Bound, axes_of, is_curved_line, kind_of, operator_bound


def multiplies(layout: Layout, field: str, operators: Sequence[str]) -> bool:
    """Whether the eigenvalues of the chain are the products of those of its operators."""
    for axis in range(layout.dimension):
        kinds = [kind_of(name) for name in operators if axis in axes_of(layout, name)]
        turns = any(isinstance(kind, int) and kind % 2 == 1 for kind in kinds)
        if len(kinds) > 1 and turns and not layout.is_closed(axis):
            return False
    return True


def chain_bound(layout: Layout, field: str, operators: Sequence[str]) -> Bound:
    """Where the eigenvalues of any chain lie: a sum over the axes of every operator of products over axes."""
    if layout.is_curved and not is_curved_line(layout):
        radius = math.prod(operator_bound(layout, field, name).radius for name in operators)
        if tuple(operators) == ("divergence", "gradient"):  # minus the adjoint of the gradient times itself
            return Bound("upper", -radius, 0.0, 0.0, "norms of operators in curved coordinates")
        return Bound("upper", -radius, radius, radius, "norms of operators in curved coordinates")
    lowest = highest = imaginary = 0.0
    for axes in product(*[axes_of(layout, name) for name in operators]):
        along: dict[int, tuple[Kind, ...]] = {}
        for name, axis in zip(operators, axes, strict=True):
            along[axis] = (*along.get(axis, ()), kind_of(name))
        if len(along) == 1 and layout.required_grid().shape[axes[0]] <= MAX_LINE:
            ((axis, kinds),) = along.items()
            part = line_range(layout, field, axis, kinds)
        else:
            radius = math.prod(line_size(layout, field, axis, kinds) for axis, kinds in along.items())
            part = -radius, radius, radius
        lowest, highest, imaginary = lowest + part[0], highest + part[1], imaginary + part[2]
    return Bound("upper", lowest, highest, imaginary, "an odd derivative turns the symmetry at a wall")
