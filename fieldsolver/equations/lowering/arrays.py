"""Operations on arrays ``(*batch, c, *grid)`` that the lowering emits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fieldsolver.space.closure import GhostRule, ghost_block
from fieldsolver.space.convolution import convolve
from fieldsolver.space.grid import Grid
from fieldsolver.space.operators import diffusion

from .pointwise import like_state


def call_pointwise(module: Callable[..., Tensor], like: Tensor, *arguments: Any, dimension: int) -> Tensor:
    """Call a module with components last: ``(*batch, c, *grid) -> (*batch, *grid, c)`` and back."""
    together = stack(like, *arguments, dimension=dimension)
    return module(together.movedim(-1 - dimension, -1)).movedim(-1, -1 - dimension)


def call_nonlocal(
    module: Callable[..., Tensor], like: Tensor, *arguments: Any, dimension: int, grid: tuple[int, ...]
) -> Tensor:
    """Call a module that sees whole fields, ``(B, C, *grid) -> (B, c, *grid)``."""
    together = stack(like, *arguments, dimension=dimension)
    whole = together.expand(*together.shape[: together.dim() - dimension], *grid)
    lead = whole.shape[: whole.dim() - dimension - 1]
    result = module(whole.reshape(-1, *whole.shape[len(lead) :]))
    return result.reshape(*lead, *result.shape[1:])


def stack(like: Tensor, *arguments: Any, dimension: int) -> Tensor:
    """All components of all arguments along one component axis."""
    tensors = [like_state(argument, like) for argument in arguments]
    shape = torch.broadcast_shapes(*[_without_components(tensor, dimension) for tensor in tensors])
    lead, grid = shape[: len(shape) - dimension], shape[len(shape) - dimension :]
    columns = []
    for tensor in tensors:
        count = tensor.shape[-1 - dimension] if tensor.dim() > dimension else 1
        columns.append(tensor.expand(*lead, count, *grid))
    return torch.cat(columns, dim=-1 - dimension) if len(columns) > 1 else columns[0]


def _without_components(tensor: Tensor, dimension: int) -> torch.Size:
    if tensor.dim() <= dimension:
        return tensor.shape
    return tensor.shape[: -1 - dimension] + tensor.shape[tensor.dim() - dimension :]


def dot(like: Tensor, left: Any, right: Any, *, dimension: int) -> Tensor:
    """``sum_i a_i b_i`` over the component axis, which stays with length 1."""
    product = like_state(left, like) * like_state(right, like)
    return product.sum(-1 - dimension, keepdim=True) if product.dim() > dimension else product


def matrix_product(like: Tensor, matrix: Tensor, values: Any, *, dimension: int) -> Tensor:
    """``(r, c) @ (*batch, c, *grid) -> (*batch, r, *grid)``."""
    values = like_state(values, like)
    matrix = like_state(matrix, like)
    dtype = torch.promote_types(matrix.dtype, values.dtype)
    if values.dim() <= dimension:
        values = values.unsqueeze(-1 - dimension)
    return (values.to(dtype).movedim(-1 - dimension, -1) @ matrix.to(dtype).mT).movedim(-1, -1 - dimension)


def integrate(like: Tensor, values: Any, *, grid: Grid, on_host: Tensor, mean: bool) -> Tensor:
    """Integral or mean over the grid, whose axes stay with length 1."""
    # Computed where it is needed: a copy from the host would make every evaluation wait for the device.
    weights = on_host if like.device == on_host.device else grid.weights(device=like.device)
    total = (like_state(values, like) * like_state(weights, like)).sum(tuple(range(-grid.dimension, 0)), keepdim=True)
    return total / math.prod(grid.lengths) if mean else total


def convolve_with(samples: Tensor, like: Tensor, values: Any, *, grid: Grid, edge: str) -> Tensor:
    """Convolution of a value that may be constant in space."""
    values = like_state(values, like)
    lead = values.shape[: max(values.dim() - grid.dimension, 0)]
    return convolve(values.expand(*lead, *grid.shape), like_state(samples, like), grid, edge)


def coordinate(like: Tensor, *, on_host: Tensor, positions: Callable[..., Tensor]) -> Tensor:
    """Positions along an axis in the precision and on the device of `like`."""
    if like.device == on_host.device:
        return like_state(on_host, like)
    # Computed where it is needed: a copy from the host would make every evaluation wait for the device.
    return like_state(positions(device=like.device).reshape(on_host.shape), like)


def expand(values: Tensor, *, dim: int, size: int) -> Tensor:
    """`values` repeated to `size` points along one axis."""
    values = values.reshape((1,) * max(-dim - values.dim(), 0) + values.shape)
    shape = list(values.shape)
    shape[dim] = size
    return values.expand(shape)


def pick(values: Tensor, *, dim: int, index: int) -> Tensor:
    """One component, its axis kept."""
    return values.narrow(dim, index, 1)


def hold(values: Tensor, wall: Any = 0.0, *, dim: int, end: int) -> Tensor:
    """`values` with the nodes on one wall set to the value of the wall."""
    size = values.shape[dim]
    inside = values.narrow(dim, 1 if end == 0 else 0, size - 1)
    edge = torch.zeros_like(values.narrow(dim, 0, 1)) + wall
    return torch.cat([edge, inside] if end == 0 else [inside, edge], dim=dim)


def with_ghosts(
    values: Tensor,
    *data: Any,
    dim: int,
    rules: tuple[GhostRule, GhostRule],
    has_data: tuple[bool, bool],
    on_node: bool,
) -> Tensor:
    """`values` with ghost layers on both ends of an axis."""
    remaining = iter(data)
    low, high = (
        ghost_block(values, dim, end, rules[end], next(remaining) if has_data[end] else None, on_node=on_node)
        for end in (0, 1)
    )
    return torch.cat([low, values, high], dim=dim)


def diffuse(coefficient: Any, values: Tensor, **options: Any) -> Tensor:
    """`diffusion` with a coefficient that may be a plain number."""
    return diffusion(like_state(coefficient, values), values, **options)
