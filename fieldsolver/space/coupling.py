"""Fields between a coarse and a fine grid over one domain, without gain or loss.

One axis, with ``r`` fine cells in a coarse one and the integrals that `Grid.weights` gives:

* cells: restriction is the mean of the children. Prolongation of order 1 copies the parent to them (the adjoint of
  restriction); of order 2 it adds the central slope of the parents, one-sided at walls: ``u_i + xi s_i``, with ``xi``
  the position of the child, whose sum over the children is zero. Restriction after prolongation changes nothing.
* nodes, where every coarse node is a fine one: prolongation is linear interpolation ``P``, and restriction is full
  weighting ``H_c^-1 P^T H_f``, its adjoint in the trapezoid rule; in the interior ``sum_|k|<r (1 - |k|/r) v_k / r``.

All conserve the integral exactly and keep constants. Prolongation of order 2 keeps linear functions up to the walls (on
axes that are not periodic). In several dimensions the axes are treated one after the other.
Source: W. Briggs, V. E. Henson, S. McCormick, A Multigrid Tutorial (SIAM, 2000), chapter 3, for ``r = 2`` on nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from fieldsolver.errors import GridError

from .grid import Grid

AxisMap = Callable[[Tensor, int, bool], Tensor]
"""``(values with the axis last, ratio, periodic) -> values``."""


def restrict(values: Tensor, fine: Grid, coarse: Grid, periodic: Sequence[str] = ()) -> Tensor:
    """From the fine grid to the coarse one, keeping the integral.

    Args:
        values: ``(..., *fine.shape)``.
        fine: the grid of `values`.
        coarse: a grid over the same bounds with fewer points.
        periodic: axes on which a cell-centred field is periodic; node-centred grids know their own.

    Returns:
        ``(..., *coarse.shape)``.

    Raises:
        GridError: the grids are not nested, or `values` are not on the fine one.
    """
    ratios = check_nested(coarse, fine)
    step = _cell_means if fine.centring == "cell" else _full_weighting
    return _along_axes(step, _on(fine, values), ratios, _wrapping(fine, periodic))


def prolong(values: Tensor, coarse: Grid, fine: Grid, periodic: Sequence[str] = (), order: int = 2) -> Tensor:
    """From the coarse grid to the fine one, keeping the integral.

    Args:
        values: ``(..., *coarse.shape)``.
        coarse: the grid of `values`.
        fine: a grid over the same bounds with more points.
        periodic: axes on which a cell-centred field is periodic; node-centred grids know their own.
        order: 1 copies cells, 2 is linear; nodes have order 2 alone.

    Returns:
        ``(..., *fine.shape)``.

    Raises:
        GridError: the grids are not nested, `values` are not on the coarse one, or there is no such order.
    """
    if order not in (1, 2) or (order == 1 and coarse.centring == "node"):
        raise GridError(f"prolong has order=2 (linear), and order=1 (constant) between cells; got order={order!r}")
    ratios = check_nested(coarse, fine)
    step = _interpolated if coarse.centring == "node" else _copied if order == 1 else _sloped
    return _along_axes(step, _on(coarse, values), ratios, _wrapping(coarse, periodic))


def check_nested(coarse: Grid, fine: Grid) -> tuple[int, ...]:
    """Return how many fine cells lie in a coarse one along each axis.

    Raises:
        GridError: other bounds, another centring or periodicity, a non-uniform axis, or a ratio that is no integer.
    """
    if coarse.dimension != fine.dimension or coarse.centring != fine.centring:
        raise GridError(f"coupled grids share their dimension and centring, got {coarse} and {fine}")
    if coarse.centring == "node" and coarse.periodic != fine.periodic:
        raise GridError(f"coupled grids share their periodic axes, got {coarse.periodic!r} and {fine.periodic!r}")
    return tuple(_ratio(coarse, fine, axis) for axis in range(coarse.dimension))


def _ratio(coarse: Grid, fine: Grid, axis: int) -> int:
    name, length = coarse.axes[axis], coarse.lengths[axis]
    if not (coarse.is_uniform(axis) and fine.is_uniform(axis)):
        raise GridError(f"coupled grids are uniform, but the points along {name!r} are placed by nodes=; drop it there")
    ours, theirs = coarse.bounds[axis], fine.bounds[axis]
    if any(abs(one - other) > 1e-12 * length for one, other in zip(ours, theirs, strict=True)):
        raise GridError(f"coupled grids lie over the same bounds, got {ours} and {theirs} along {name!r}")
    ends = int(coarse.has_end_nodes(axis))
    few, many = coarse.shape[axis] - ends, fine.shape[axis] - ends  # cells, or intervals between nodes
    ratio, rest = divmod(many, few)
    if rest or not ratio:
        nearest = max(1, round(many / few)) * few + ends
        rule = f"r*({few} intervals) + 1 points" if ends else f"r*{few} points"
        raise GridError(
            f"along {name!r} the fine grid must have {rule} with an integer ratio r, got {fine.shape[axis]} for "
            f"{coarse.shape[axis]}; write {nearest}"
        )
    return ratio


def _on(grid: Grid, values: Tensor) -> Tensor:
    if tuple(values.shape[-grid.dimension :]) != grid.shape:
        raise GridError(f"values end in the shape of their grid, {grid.shape}, got {tuple(values.shape)}")
    return values


def _along_axes(step: AxisMap, values: Tensor, ratios: Sequence[int], wraps: Sequence[bool]) -> Tensor:
    for dim, (ratio, periodic) in enumerate(zip(ratios, wraps, strict=True), start=-len(ratios)):
        if ratio > 1:
            values = step(values.movedim(dim, -1), ratio, periodic).movedim(-1, dim)
    return values


def _wrapping(grid: Grid, periodic: Sequence[str]) -> tuple[bool, ...]:
    known = grid.axes if grid.centring == "cell" else grid.periodic
    for name in periodic:
        if name not in known:
            possible = ", ".join(known) or "none"
            raise GridError(f"periodic names {name!r}, but the axes of this grid that can be periodic are: {possible}")
    return tuple(name in periodic or name in grid.periodic for name in grid.axes)


def _fractions(ratio: int, like: Tensor) -> Tensor:
    """``0, 1/r, ... (r - 1)/r`` on the device of the values."""
    dtype = like.real.dtype if like.is_complex() else like.dtype
    return torch.arange(ratio, dtype=dtype, device=like.device) / ratio


def _cell_means(values: Tensor, ratio: int, _: bool) -> Tensor:
    return values.unflatten(-1, (-1, ratio)).mean(-1)


def _copied(values: Tensor, ratio: int, _: bool) -> Tensor:
    return values.repeat_interleave(ratio, dim=-1)


def _sloped(values: Tensor, ratio: int, periodic: bool) -> Tensor:
    if periodic:
        slopes = (values.roll(-1, -1) - values.roll(1, -1)) / 2
    else:
        steps = values.diff(dim=-1)
        slopes = torch.cat([steps[..., :1], (steps[..., 1:] + steps[..., :-1]) / 2, steps[..., -1:]], dim=-1)
    places = _fractions(ratio, values) + (0.5 / ratio - 0.5)  # of the children about the parent's centre
    return (values.unsqueeze(-1) + slopes.unsqueeze(-1) * places).flatten(-2)


def _interpolated(values: Tensor, ratio: int, periodic: bool) -> Tensor:
    left = values if periodic else values[..., :-1]
    right = values.roll(-1, -1) if periodic else values[..., 1:]
    between = (left.unsqueeze(-1) + (right - left).unsqueeze(-1) * _fractions(ratio, values)).flatten(-2)
    return between if periodic else torch.cat([between, values[..., -1:]], dim=-1)


def _full_weighting(values: Tensor, ratio: int, periodic: bool) -> Tensor:
    """Every fine node gives its value to the two coarse ones around it, in inverse proportion to the distance."""
    intervals = (values if periodic else values[..., :-1]).unflatten(-1, (-1, ratio))
    towards_right = (intervals * _fractions(ratio, values)).sum(-1)
    towards_left = intervals.sum(-1) - towards_right
    if periodic:
        return (towards_left + towards_right.roll(1, -1)) / ratio
    # The cells of end nodes are halved on both grids: what lies inside counts twice there, the end itself once.
    first = 2 * towards_left[..., :1] - values[..., :1]
    inner = towards_left[..., 1:] + towards_right[..., :-1]
    last = 2 * towards_right[..., -1:] + values[..., -1:]
    return torch.cat([first, inner, last], dim=-1) / ratio
