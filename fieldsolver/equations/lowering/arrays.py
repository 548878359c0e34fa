"""Operations on arrays ``(*batch, c, *grid)`` that the lowering emits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fieldsolver.space.advection_schemes import AdvectionScheme
from fieldsolver.space.boundary import Condition, Side
from fieldsolver.space.closure import GhostRule, ghost_block
from fieldsolver.space.convolution import convolve
from fieldsolver.space.grid import Grid
from fieldsolver.space.masked_cells import MaskedCells, Neighbours, flux_difference
from fieldsolver.space.metric import MetricFields, laplace_beltrami, squared_gradient
from fieldsolver.space.operators import diffusion
from fieldsolver.space.orthogonal import OrthogonalCells, orthogonal_diffusion
from fieldsolver.space.tensor_diffusion import Walls, tensor_diffusion

from .pointwise import like_state

if TYPE_CHECKING:
    from fieldsolver.space.spectral import ChebyshevLine


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
    shape = torch.Size((1,) * (dimension - len(shape))) + shape  # numbers alone have no axes
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


def cut_out(cells: MaskedCells, like: Tensor, values: Any) -> Tensor:
    """A value, constant in space or not, with zeros outside a mask."""
    return cells.project(like_state(values, like))


def integrate(
    like: Tensor,
    values: Any,
    cells: MaskedCells | None = None,
    *,
    weights: Callable[..., Tensor],
    on_host: Tensor,
    mean: bool,
) -> Tensor:
    """Integral or mean over the grid, or the cells inside a mask; the axes stay with length 1."""
    # Computed where it is needed: a copy from the host would make every evaluation wait for the device.
    measure = like_state(on_host if like.device == on_host.device else weights(like.device), like)
    axes = tuple(range(-on_host.dim(), 0))
    if cells is not None:
        measure = cells.project(measure)
    total = (like_state(values, like) * measure).sum(axes, keepdim=True)
    return total / measure.sum(axes, keepdim=True) if mean else total


def integrate_on(
    metric: MetricFields, like: Tensor, values: Any, *, weights: Callable[..., Tensor], on_host: Tensor, mean: bool
) -> Tensor:
    """Integral or mean over the volume of a metric; the axes stay with length 1."""
    cells = on_host if like.device == on_host.device else weights(device=like.device)
    measure = (metric.density * cells).to(like.real.dtype)
    axes = tuple(range(-on_host.dim(), 0))
    total = (like_state(values, like) * measure).sum(axes, keepdim=True)
    return total / measure.sum() if mean else total


def laplacian_on(metric: MetricFields, values: Tensor, coefficient: Any = None, **options: Any) -> Tensor:
    """The Laplacian of a metric, or diffusion with a scalar coefficient that may be a plain number."""
    if coefficient is not None:
        coefficient = like_state(coefficient, values)
    return laplace_beltrami(metric, values, coefficient=coefficient, **options)


def squared_gradient_on(metric: MetricFields, *slopes: Tensor) -> Tensor:
    """``g^ij d_i u d_j u``."""
    return squared_gradient(metric, slopes)


def diffuse_on_cells(coefficient: Any, values: Tensor, *, cells: OrthogonalCells) -> Tensor:
    """Diffusion in curved coordinates with a coefficient that may be constant in space."""
    coefficient = like_state(coefficient, values)
    lead = coefficient.shape[: max(coefficient.dim() - cells.grid.dimension, 0)]
    return orthogonal_diffusion(coefficient.expand(*lead, *values.shape[-cells.grid.dimension :]), values, cells)


def spread(values: Any, like: Tensor, *, shape: tuple[int, ...]) -> Tensor:
    """`values`, which may be constant along some axes, at all points."""
    values = like_state(values, like)
    lead = values.shape[: max(values.dim() - len(shape), 0)]
    return values.expand(*lead, *shape)


def convolve_with(samples: Tensor, like: Tensor, values: Any, *, grid: Grid, edge: str) -> Tensor:
    """Convolution of a value that may be constant in space."""
    values = like_state(values, like)
    lead = values.shape[: max(values.dim() - grid.dimension, 0)]
    return convolve(values.expand(*lead, *grid.shape), like_state(samples, like), grid, edge)


def transfer(between: Callable[[Tensor], Tensor], shape: tuple[int, ...], like: Tensor, values: Any) -> Tensor:
    """A value that may be constant along some axes of its grid, carried over to another grid."""
    values = like_state(values, like)
    lead = values.shape[: max(values.dim() - len(shape), 0)]
    return between(values.expand(*lead, *shape))


def coordinate(like: Tensor, *, on_host: Tensor, positions: Callable[..., Tensor]) -> Tensor:
    """Positions along an axis in the precision and on the device of `like`."""
    if like.device == on_host.device:
        return like_state(on_host, like)
    # Computed where it is needed: a copy from the host would make every evaluation wait for the device.
    return like_state(positions(device=like.device).reshape(on_host.shape), like)


def constant(value: Any, like: Tensor, *, dimension: int) -> Tensor:
    """A number as ``(1, 1, ...)``, one component at one point."""
    return like_state(value, like).reshape((1,) * (1 + dimension))


def expand(values: Tensor, *, dim: int, size: int) -> Tensor:
    """`values` repeated to `size` points along one axis."""
    values = values.reshape((1,) * max(-dim - values.dim(), 0) + values.shape)
    shape = list(values.shape)
    shape[dim] = size
    return values.expand(shape)


def pick(values: Tensor, *, dim: int, index: int) -> Tensor:
    """One component, its axis kept."""
    return values.narrow(dim, index, 1)


def set_wall(values: Tensor, wall: Tensor, *, dim: int, end: int) -> Tensor:
    """`values` with the nodes on one wall replaced."""
    inside = values.narrow(dim, 1 if end == 0 else 0, values.shape[dim] - 1)
    return torch.cat([wall, inside] if end == 0 else [inside, wall], dim=dim)


def at_wall(values: Tensor, dim: int, end: int) -> Tensor:
    """The nodes on one wall."""
    return values.narrow(dim, 0 if end == 0 else values.shape[dim] - 1, 1)


def stop(values: Tensor, *, dim: int, end: int) -> Tensor:
    """`values` with zeros on one wall."""
    return set_wall(values, torch.zeros_like(at_wall(values, dim, end)), dim=dim, end=end)


def hold(values: Tensor, value: Any = 0.0, *, side: Side, held_before: tuple[Side, ...], dimension: int) -> Tensor:
    """`values` with the nodes on one wall set to the value of the wall.

    Edges and corners, which lie on several held walls, take the mean of their values.
    """
    dim, end = side[0] - dimension, side[1]
    old = at_wall(values, dim, end)
    new = torch.zeros_like(old) + value
    crossing = [(axis - dimension, at) for axis, at in held_before if axis != side[0]]
    if crossing:
        met = _walls_met(old, crossing)
        new = torch.where(met > 0, old + (new - old) / (1 + met), new)
    return set_wall(values, new, dim=dim, end=end)


def _walls_met(wall: Tensor, crossing: list[tuple[int, int]]) -> Tensor:
    """On how many of the walls `crossing` every point of a wall lies."""
    met = torch.zeros((), dtype=torch.int64, device=wall.device)
    for dim, end in crossing:
        points = wall.shape[dim]
        index = torch.arange(points, device=wall.device)
        lies_on = (index == (0 if end == 0 else points - 1)).long()
        met = met + lies_on.reshape(-1, *[1] * (-1 - dim))
    return met


def with_ghosts(
    values: Tensor,
    *data: Any,
    dim: int,
    rules: tuple[GhostRule, GhostRule],
    has_data: tuple[bool, bool],
    on_node: bool,
) -> Tensor:
    """`values` with ghost layers on both ends of an axis."""
    if values.dim() < -dim or values.shape[dim] == 1:  # does not depend on this coordinate: the same beyond the wall
        return values
    remaining = iter(data)
    low, high = (
        ghost_block(values, dim, end, rules[end], next(remaining) if has_data[end] else None, on_node=on_node)
        for end in (0, 1)
    )
    return torch.cat([low, values, high], dim=dim)


def with_wrapped_ghosts(values: Tensor, *, dim: int, width: int, sign: float) -> Tensor:
    """`values` with ghost layers taken from the other end of the axis, times `sign`."""
    if values.dim() < -dim or values.shape[dim] == 1:  # does not depend on this coordinate
        return values
    size = values.shape[dim]
    low, high = values.narrow(dim, size - width, width), values.narrow(dim, 0, width)
    if sign != 1.0:
        low, high = low * sign, high * sign
    return torch.cat([low, values, high], dim=dim)


def trace(values: Tensor, *, dim: int, end: int, on_node: bool) -> Tensor:
    """`values` on a wall: the node there, or the straight line through the two nearest cells."""
    size = values.shape[dim]
    first = values.narrow(dim, 0 if end == 0 else size - 1, 1)
    if on_node:
        return first
    return 1.5 * first - 0.5 * values.narrow(dim, 1 if end == 0 else size - 2, 1)


def diffuse(coefficient: Any, values: Tensor, **options: Any) -> Tensor:
    """`diffusion` with a coefficient that may be a plain number."""
    return diffusion(like_state(coefficient, values), values, **options)


def diffuse_masked(coefficient: Any, values: Neighbours, *, spacing: float) -> Tensor:
    """Diffusion between the cells of a mask, with a coefficient that may be a plain number."""
    if not isinstance(coefficient, Neighbours):
        coefficient = like_state(coefficient, values.own)
    return flux_difference(coefficient, values, spacing)


def diffuse_tensor(matrix: Tensor, values: Tensor, *, spacing: tuple[float, ...], walls: tuple[Walls, ...]) -> Tensor:
    """Diffusion with a matrix ``(d, d)`` or a field of them ``(d, d, *grid)``; its symmetric part counts."""
    matrix = like_state(matrix, values.real if values.is_complex() else values)
    matrix = (matrix + matrix.transpose(0, 1)) / 2
    d = len(spacing)
    return tensor_diffusion({(i, j): matrix[i, j] for i in range(d) for j in range(i, d)}, values, spacing, walls)


def fractional(power: Any, values: Tensor, **options: Any) -> Tensor:
    """A fractional Laplacian, whose power may be a tensor per sample."""
    from fieldsolver.space.spectral import fractional_laplacian  # loads SciPy's transforms

    return fractional_laplacian(values, s=power, **options)


def advect(speed: Any, values: Tensor, *, scheme: AdvectionScheme, **options: Any) -> Tensor:
    """``speed du/dx`` by an advection scheme, with a speed that may be a plain number."""
    velocity = like_state(speed, values.real if values.is_complex() else values)
    return scheme(values, velocity, **options)


def multiply(factor: Any, values: Tensor) -> Tensor:
    """``factor * values`` for a factor that may be a plain number or of another precision."""
    return like_state(factor, values) * values if isinstance(factor, Tensor) else values * factor


Penalised = Callable[..., Tensor]


def penalised(function: Callable[..., Tensor]) -> Penalised:
    """Let a summation-by-parts operator be called with as much boundary data as there is.

    The result takes ``(*coefficients, values, *data)``; `given` says which ends `data` belongs to.
    """

    def apply(*arrays: Any, dim: int, conditions: tuple[Condition, ...], given: tuple[bool, ...]) -> Tensor:
        before = arrays[: len(arrays) - sum(given)]
        remaining = iter(arrays[len(before) :])
        data = tuple(next(remaining) if present else None for present in given)
        coefficients = [like_state(value, before[-1]) for value in before[:-1]]
        return function(*coefficients, before[-1], dim, conditions, data)

    return apply


def collocate(
    values: Tensor,
    *data: Any,
    line: ChebyshevLine,
    dim: int,
    conditions: tuple[Condition, Condition],
    given: tuple[bool, bool],
) -> Tensor:
    """`values` with the two wall nodes of a Chebyshev axis set so that the conditions hold."""
    remaining = iter(data)
    low, high = (like_state(next(remaining), values) if present else None for present in given)
    return line.bind(values, dim, conditions, (low, high))
