"""Linking numbers of batches of closed polygons, whose gradient is zero, and a barrier that keeps curves apart."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fieldsolver.errors import CurveError, OptionError

from .batch_checks import check_pair, scale_of, scaled, wide
from .batched import gauss_linking_integrals
from .curves import both_closed, closed_polygon, is_number
from .linking_number import linking_result

SAFE_RESIDUAL = 1e-3
SAFE_DISTANCE = 1e-6
"""Sums in float64 this close to an integer, of curves this far apart for their size, need no exact arithmetic."""


class BatchedLinking(NamedTuple):
    """Linking numbers of a batch.

    Attributes:
        values: ``(*batch,)`` in the dtype of the curves, attached to them with a gradient of zero.
        proved: ``(*batch,)`` bool. Where it is False the curves touch, and the value is NaN.
    """

    values: Tensor
    proved: Tensor


def linking_numbers(a: Tensor, b: Tensor) -> BatchedLinking:
    """The linking number of each pair of closed polygons.

    It is an integer, so its derivative is zero wherever it has one; that zero is returned, not the noise of a sum, in
    reverse mode (there is no `jvp`). `link_barrier` is what a descent can feel. The sum runs in float64 on the device;
    samples it does not certify are settled one by one in exact arithmetic on the host.

    Args:
        a: corners ``(*batch, N, 3)``.
        b: corners ``(*batch, M, 3)``.

    Raises:
        CurveError: shapes, dtypes or devices do not fit, or a sample is no closed polygon; it is named.
    """
    check_pair(a, b)
    if a.is_meta:
        raise CurveError("a and b are on the meta device and hold no points; move them to a device with data")
    with torch.no_grad():
        given = a.detach().double(), b.detach().double()
        wide_a, wide_b = scaled(*given)
        sums = gauss_linking_integrals(wide_a, wide_b, closed=(True, True))
        values = sums.round()
        distance = _least_distances(wide_a, wide_b)
        sure = ((sums - values).abs() < SAFE_RESIDUAL) & (distance > SAFE_DISTANCE)
        proved = torch.ones_like(sure)
        for place in (~sure).nonzero().tolist():
            index = tuple(place)
            found = linking_result(
                *(
                    closed_polygon(curve[index], f"sample {place} of {name}")
                    for curve, name in zip(given, "ab", strict=True)
                )
            )
            proved[index] = found.status.holds
            values[index] = found.value if found.status.holds else math.nan
    return BatchedLinking(_Constant.apply(values.to(a.dtype), a, b), proved)


class _Constant(torch.autograd.Function):
    """A value that hangs on tensors with derivative zero."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return (None, *(torch.zeros_like(saved) for saved in ctx.saved_tensors))


def link_barrier(a: Tensor, b: Tensor, reach: float, *, closed: tuple[bool, bool] = (True, True)) -> Tensor:
    """A smooth wall around curves: 0 while they are farther apart than `reach`, infinite where they touch.

    The sum over pairs of segments of phi(d / reach), phi(x) = -(1 - x)^2 log(x) for x < 1, of their distances d. Added
    to a loss it keeps the linking number, which only changes when curves pass through each other.

    Args:
        a: points ``(*batch, N, 3)``.
        b: points ``(*batch, M, 3)``.
        reach: distance from which on the curves feel each other.
        closed: as in `gauss_linking_integrals`.

    Returns:
        ``(*batch,)``, once continuously differentiable, computed as `gauss_linking_integrals` is. Where curves touch it
        is infinite and the gradient of that sample NaN, for no direction leads out: start with curves that are apart.

    Raises:
        CurveError: shapes do not fit, dtypes or devices differ, or no float32 or float64 tensors.
        OptionError: `reach` is no positive number, or `closed` no pair of flags.

    Source: the barrier of Li et al., *Incremental potential contact*, ACM Trans. Graph. 39 (2020), eq. (6).
    """
    check_pair(a, b)
    if not (is_number(reach) and math.isfinite(reach) and reach > 0):
        raise OptionError(f"reach is a positive distance, got {reach!r}")
    kind, a, b = a.dtype, wide(a), wide(b)
    scale, limits = scale_of(a, b), torch.finfo(a.dtype)
    near_a, near_b = scaled(a, b)
    distance = _distances(near_a, near_b, both_closed(closed))
    end = (reach * scale).clamp(limits.tiny, limits.max)[..., None, None]
    inside = ~(distance >= end)  # points that are not finite stay so
    safe = torch.where(inside, distance, end)
    # logarithms of the two, since their ratio may be too small for a float
    walls = -((1 - safe / end) ** 2) * (safe.log() - end.log())
    return torch.where(inside, walls, 0.0).sum((-2, -1)).to(kind)


def _least_distances(a: Tensor, b: Tensor) -> Tensor:
    return _distances(a, b, (True, True)).amin((-2, -1))


def _distances(a: Tensor, b: Tensor, closed: tuple[bool, bool]) -> Tensor:
    """Distances of all pairs of segments ``(*batch, N, M)``; Ericson, *Real-Time Collision Detection* (2005), 5.1.9.

    The closest points are held while differentiating: moving them along the segments does not change a least distance.
    """
    begin, finish = (points.unsqueeze(-2) for points in _segments(a, closed[0]))
    other, last = (points.unsqueeze(-3) for points in _segments(b, closed[1]))
    with torch.no_grad():
        s, t = _closest(finish - begin, last - other, begin - other)
    apart = begin + s * (finish - begin) - other - t * (last - other)
    return apart.norm(dim=-1)


def _segments(points: Tensor, closed: bool) -> tuple[Tensor, Tensor]:
    return (points, points.roll(-1, dims=-2)) if closed else (points[..., :-1, :], points[..., 1:, :])


def _closest(u: Tensor, v: Tensor, r: Tensor) -> tuple[Tensor, Tensor]:
    """Parameters of the closest points of segments along u and v, r between their beginnings."""
    across = torch.linalg.cross(u, v, dim=-1)  # uu vv - uv^2 would lose half the digits of nearly parallel ones
    limits = torch.finfo(u.dtype)
    uu, vv, uv = _dot(u, u).clamp_min(limits.tiny), _dot(v, v).clamp_min(limits.tiny), _dot(u, v)
    ur, vr, square = _dot(u, r), _dot(v, r), _dot(across, across)
    crossing = (_dot(torch.linalg.cross(*torch.broadcast_tensors(v, r), dim=-1), across) / square).clamp(0, 1)
    s = torch.where(square > (4 * limits.eps) ** 2 * uu * vv, crossing, 0.0)
    t = (uv * s + vr) / vv
    s = torch.where(t < 0, (-ur / uu).clamp(0, 1), torch.where(t > 1, ((uv - ur) / uu).clamp(0, 1), s))
    return s, t.clamp(0, 1)


def _dot(u: Tensor, v: Tensor) -> Tensor:
    return (u * v).sum(-1, keepdim=True)
