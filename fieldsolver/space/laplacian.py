"""The Laplacian as one operation: all axes share the result and, where they are uniform, the centre of the stencil."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .operators import add_even_derivative
from .table import Table


def laplacian(
    values: torch.Tensor,
    extended: Sequence[torch.Tensor | None],
    weights: Sequence[Sequence[float] | Table],
) -> torch.Tensor:
    """Sum of the derivatives along all axes, ``(..., *grid) -> (..., *grid)``.

    Args:
        values: ``(..., *grid)``.
        extended: per axis `values` with its ghosts along that axis (`extend`), or None where the axis is periodic.
        weights: per axis, of any one derivative of even order (`axis_derivative_weights`).
    """
    uniform = [row for row in weights if not isinstance(row, Table)]
    total = values * sum(row[len(row) // 2] for row in uniform)
    for axis, (operand, row) in enumerate(zip(extended, weights, strict=True)):
        dim = axis - len(weights)
        total = add_even_derivative(total, values if operand is None else operand, dim, row, periodic=operand is None)
    return total
