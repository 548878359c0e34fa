"""A convolutional network on fields whose padding is the boundary's, so that it may stand inside an equation."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from fieldsolver.space.boundary import Condition, Dirichlet, Periodic, Side
from fieldsolver.space.grid import Grid

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


class FieldConvolution(nn.Module):
    """Convolutions with tanh between them, ``(B, C, *grid) -> (B, c, *grid)``.

    Beyond a periodic end the field goes on, beyond one where every field has a Dirichlet condition there are zeros,
    and any other end is a mirror.

    Args:
        channels: inputs, widths between the layers, outputs.
        kernel_size: points per axis, odd.
        grid: the grid; a node on a mirror is not repeated.
        sides: conditions per field and side.
        dtype: of the weights.
    """

    def __init__(
        self,
        channels: Sequence[int],
        kernel_size: int,
        grid: Grid,
        sides: Mapping[str, Mapping[Side, Condition]],
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        convolution = CONVOLUTIONS[grid.dimension - 1]
        self.layers = nn.ModuleList(
            convolution(given, made, kernel_size, dtype=dtype) for given, made in itertools.pairwise(channels)
        )
        self.width = kernel_size // 2
        self.rules = [[_rule(sides, (axis, end)) for end in (0, 1)] for axis in range(grid.dimension)]
        self.on_node = [grid.has_end_nodes(axis) for axis in range(grid.dimension)]

    def forward(self, fields: Tensor) -> Tensor:
        """Apply all layers."""
        for position, layer in enumerate(self.layers):
            fields = layer(self._padded(torch.tanh(fields) if position else fields))
        return fields

    def _padded(self, fields: Tensor) -> Tensor:
        if not self.width:
            return fields
        for axis, rules in enumerate(self.rules):
            dim = 2 + axis
            low, high = (_beyond(fields, dim, end, rules[end], self.width, int(self.on_node[axis])) for end in (0, 1))
            fields = torch.cat([low, fields, high], dim)
        return fields


def _rule(sides: Mapping[str, Mapping[Side, Condition]], side: Side) -> str:
    conditions = [own[side] for own in sides.values()]
    if any(isinstance(condition, Periodic) for condition in conditions):
        return "wrap"
    return "zero" if all(isinstance(condition, Dirichlet) for condition in conditions) else "mirror"


def _beyond(values: Tensor, dim: int, end: int, rule: str, width: int, skip: int) -> Tensor:
    """`width` layers beyond one end of an axis; a mirror leaves out the `skip` nodes that lie on it."""
    points = values.shape[dim]
    match rule:
        case "wrap":
            return values.narrow(dim, points - width if end == 0 else 0, width)
        case "mirror":
            return values.narrow(dim, skip if end == 0 else points - width - skip, width).flip(dim)
    return torch.zeros_like(values.narrow(dim, 0, width))
