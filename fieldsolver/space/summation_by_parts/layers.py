"""Differences, means and sums of a few layers along one axis; `dim` is counted from the end."""

from __future__ import annotations

import torch
from torch import Tensor


def differences(values: Tensor, dim: int, k: int) -> Tensor:
    """``Δk u``, undivided: ``(..., n, ...)`` -> ``(..., n - k, ...)``."""
    for _ in range(k):
        count = values.shape[dim] - 1
        values = values.narrow(dim, 1, count) - values.narrow(dim, 0, count)
    return values


def transposed_differences(values: Tensor, dim: int, k: int) -> Tensor:
    """``Δk^T u``: ``(..., n - k, ...)`` -> ``(..., n, ...)``."""
    # Δ1^T is minus the difference of the array between two zeros.
    padded = torch.nn.functional.pad(values, [0, 0] * (-dim - 1) + [k, k])
    return differences(padded if k % 2 == 0 else -padded, dim, k)


def running_mean(values: Tensor, dim: int, count: int) -> Tensor:
    """Means of `count` neighbours: ``(..., n, ...)`` -> ``(..., n - count + 1, ...)``."""
    length = values.shape[dim] - count + 1
    total = values.narrow(dim, 0, length)
    for shift in range(1, count):
        total = total + values.narrow(dim, shift, length)
    return total / count


def at_wall(values: Tensor, dim: int, end: int, count: int = 1) -> Tensor:
    """The `count` layers next to one wall, in the order of the grid; `end` is 0 (low) or 1 (high)."""
    return values.narrow(dim, 0 if end == 0 else values.shape[dim] - count, count)


def added_at_walls(values: Tensor, low: Tensor, high: Tensor, dim: int) -> Tensor:
    """Add a few layers at either wall, which may bring more leading axes than `values` has."""
    below, above = low.shape[dim], high.shape[dim]
    inside = values.narrow(dim, below, values.shape[dim] - below - above)
    pieces = [at_wall(values, dim, 0, below) + low, inside, at_wall(values, dim, 1, above) + high]
    axis = max(piece.dim() for piece in pieces) + dim
    shapes = [[1] * (axis - piece.dim() - dim) + list(piece.shape) for piece in pieces]
    lengths = [shape[axis] for shape in shapes]
    common = torch.broadcast_shapes(*[[*shape[:axis], 1, *shape[axis + 1 :]] for shape in shapes])
    full = [[*common[:axis], length, *common[axis + 1 :]] for length in lengths]
    return torch.cat([piece.expand(shape) for piece, shape in zip(pieces, full, strict=True)], dim)


def is_uniform(coefficient: Tensor, dim: int) -> bool:
    """Whether a coefficient is the same number all along `dim`."""
    return coefficient.dim() < -dim or coefficient.shape[dim] == 1
