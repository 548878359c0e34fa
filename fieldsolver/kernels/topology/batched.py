"""Gauss integrals, writhe and linking numbers of batches of polygons as torch functions.

The gradient of a Gauss integral needs no double sum. Moving a corner changes the solid angle of a pair by integrals
over the edges of its parallelogram, and the edge that two neighbouring pairs share counts once with each sign. What is
left are edges at the ends of open chains; closed curves have none, and their linking number has no gradient. For the
writhe the missing pairs of neighbours leave two edges per segment. An edge from u to v contributes

    d(angle)/du = (u x v) / (|u| (|u||v| + u.v))     d(angle)/dv = (u x v) / (|v| (|u||v| + u.v))

which is (u x v) times the integral of the hat function of that end over |r|^-3 along the edge.

Source: the variation of a solid angle as the field of a current loop (Biot and Savart's law); integrals by hand.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .batch_checks import check_pair, check_points, scaled, wide
from .curves import both_closed, flag

ENTRIES = 2**22
"""Pairs whose angles are held at once."""

ROUNDING = 25.0
"""Bound of the rounding of Delta and D in units of the dtype's epsilon and of |alpha||beta||gamma|."""


def gauss_linking_integrals(a: Tensor, b: Tensor, *, closed: tuple[bool, bool] = (False, False)) -> Tensor:
    """(1 / 4 pi) of Gauss's double integral of each pair of a batch.

    Args:
        a: points ``(*batch, N, 3)``.
        b: points ``(*batch, M, 3)``.
        closed: whether the last point of a, and of b, is joined to the first.

    Returns:
        ``(*batch,)`` in the dtype of the curves, computed in float64 from the points as they are given. Differentiable
        any number of times in reverse mode (`backward`, `grad`, `vjp`; there is no forward mode, `jvp`); the gradient
        costs O(N + M). NaN for a sample whose chains have a point in common as far as float64 can tell, be it the end
        of both: the integral jumps there. Other samples keep their values; `isnan` is the mask.

    Raises:
        CurveError: shapes do not fit, dtypes or devices differ, or no float32 or float64 tensors.
        OptionError: `closed` is no pair of flags.
    """
    check_pair(a, b)
    return _Gauss.apply(*scaled(wide(a), wide(b)), *both_closed(closed)).to(a.dtype)


def writhes(curve: Tensor, *, closed: bool = True) -> Tensor:
    """The writhe of each polygon of a batch.

    Args:
        curve: points ``(*batch, N, 3)``.
        closed: the last point is joined to the first.

    Returns:
        ``(*batch,)`` as in `gauss_linking_integrals`; the gradient costs O(N). As in `writhe`, the mean of both sides
        is taken where a curve touches itself.

    Raises:
        CurveError: no points ``(*batch, N, 3)`` in float32 or float64.
        OptionError: `closed` is not True or False.
    """
    check_points(curve, "curve")
    return _Writhe.apply(*scaled(wide(curve)), flag(closed, "closed")).to(curve.dtype)


class _Gauss(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(a: Tensor, b: Tensor, closed_a: bool, closed_b: bool) -> Tensor:
        return _angle_sum(*_ends(a, closed_a), *_ends(b, closed_b)) / (2 * math.pi)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        a, b, *ctx.closed = inputs
        ctx.save_for_backward(a, b)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        a, b = ctx.saved_tensors
        scale = (grads[0] / (2 * math.pi))[..., None, None]
        grad_a, grad_b = _end_gradients(a, b, *ctx.closed)
        return scale * grad_a, scale * grad_b, None, None


class _Writhe(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(curve: Tensor, closed: bool) -> Tensor:
        return _self_sum(curve, closed) / math.pi

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        curve, ctx.closed = inputs
        ctx.save_for_backward(curve)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (curve,) = ctx.saved_tensors
        return (grads[0] / math.pi)[..., None, None] * _self_gradient(curve, ctx.closed), None


def _end_gradients(a: Tensor, b: Tensor, closed_a: bool, closed_b: bool) -> tuple[Tensor, Tensor]:
    """d(sum of angles) by the corners of both chains: edges at the ends of the other chain."""
    grad_a, grad_b = torch.zeros_like(a), torch.zeros_like(b)
    if not closed_b:
        for end, sign in ((0, 1.0), (-1, -1.0)):  # the segments of a, seen from an end of b
            begin, finish = _ends(a, closed_a)
            point = b[..., end, :].unsqueeze(-2)
            by_begin, by_finish = _edge(begin - point, finish - point, sign)
            grad_a = grad_a + _corners(by_begin, by_finish, closed_a)
            grad_b = _add(grad_b, end, -(by_begin + by_finish).sum(-2))
    if not closed_a:
        for end, sign in ((0, 1.0), (-1, -1.0)):
            begin, finish = _ends(b, closed_b)
            point = a[..., end, :].unsqueeze(-2)
            by_begin, by_finish = _edge(point - begin, point - finish, -sign)
            grad_b = grad_b - _corners(by_begin, by_finish, closed_b)
            grad_a = _add(grad_a, end, (by_begin + by_finish).sum(-2))
    return grad_a, grad_b


def _self_gradient(curve: Tensor, closed: bool) -> Tensor:
    """Segments seen from the corner where the pairs with them begin, two ahead, and from the one where they end."""
    begin, finish = _ends(curve, closed)
    total = torch.zeros_like(curve)
    size, segments = curve.shape[-2], begin.shape[-2]
    rows = torch.arange(segments, device=curve.device)
    for offset, sign in ((2, 1.0), (-1, -1.0)):
        corners = rows + offset
        seen = rows if closed else rows[(corners > 0) & (corners < size - 1)]
        if seen.numel():
            total = total + _seen_from(curve, begin, finish, seen, (seen + offset) % size, sign, closed)
    if closed:
        return total
    for corner, sign in ((0, 1.0), (size - 1, -1.0)):  # the ends of an open chain, against segments not beside them
        seen = rows[2:] if corner == 0 else rows[: segments - 2]
        if seen.numel():
            places = torch.full_like(seen, corner)
            total = total + _seen_from(curve, begin, finish, seen, places, sign, closed)
    return total


def _seen_from(
    curve: Tensor, begin: Tensor, finish: Tensor, rows: Tensor, corners: Tensor, sign: float, closed: bool
) -> Tensor:
    """What segments `rows` seen from `corners` contribute to the gradient by all corners."""
    point = curve.index_select(-2, corners)
    by_begin, by_finish = _edge(begin.index_select(-2, rows) - point, finish.index_select(-2, rows) - point, sign)
    total = torch.zeros_like(curve).index_add(-2, rows, by_begin)
    total = total.index_add(-2, (rows + 1) % curve.shape[-2], by_finish)
    return total.index_add(-2, corners, -(by_begin + by_finish))


def _edge(u: Tensor, v: Tensor, sign: float) -> tuple[Tensor, Tensor]:
    """Derivatives of an angle by the two ends of an edge of its parallelogram."""
    across = torch.linalg.cross(u, v, dim=-1)
    lu, lv = u.norm(dim=-1, keepdim=True), v.norm(dim=-1, keepdim=True)
    shared = sign * across / (lu * lv + (u * v).sum(-1, keepdim=True))
    return shared / (2 * lu), shared / (2 * lv)


def _ends(points: Tensor, closed: bool) -> tuple[Tensor, Tensor]:
    return (points, points.roll(-1, dims=-2)) if closed else (points[..., :-1, :], points[..., 1:, :])


def _corners(by_begin: Tensor, by_finish: Tensor, closed: bool) -> Tensor:
    """From segments to corners: each belongs to the segment that begins there and to the one that ends there."""
    if closed:
        return by_begin + by_finish.roll(1, dims=-2)
    pad = torch.nn.functional.pad
    return pad(by_begin, (0, 0, 0, 1)) + pad(by_finish, (0, 0, 1, 0))


def _add(total: Tensor, row: int, value: Tensor) -> Tensor:
    place = torch.tensor([row % total.shape[-2]], device=total.device)
    return total.index_add(-2, place, value.unsqueeze(-2))


def _angle_sum(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """Sum of the angles of all pairs, in blocks of rows; NaN where two segments touch."""
    rows = max(1, ENTRIES // max(1, math.prod(c.shape[:-1])))
    blocks = zip(a.split(rows, dim=-2), b.split(rows, dim=-2), strict=True)
    other = c.unsqueeze(-3), d.unsqueeze(-3)
    sums = []
    for p, q in blocks:
        angles, touching = _angles_and_contacts(p.unsqueeze(-2), q.unsqueeze(-2), *other)
        sums.append(torch.where(touching, math.nan, angles).sum((-2, -1)))
    return torch.stack(sums).sum(0)


def _self_sum(curve: Tensor, closed: bool) -> Tensor:
    """Sum over pairs i + 2 <= j, without the last segment beside the first of a closed polygon."""
    begin, finish = _ends(curve, closed)
    count = begin.shape[-2]
    total = torch.zeros(curve.shape[:-2], dtype=curve.dtype, device=curve.device)
    for offset in range(2, count - 1 if closed else count):
        pairs = (begin[..., :-offset, :], finish[..., :-offset, :], begin[..., offset:, :], finish[..., offset:, :])
        total = total + _angles(*pairs).sum(-1)
    return total


def _angles(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """atan2(Delta, D_1) + atan2(Delta, D_2) of broadcast segments; see `gauss_loops`."""
    return _angles_and_contacts(a, b, c, d)[0]


def _angles_and_contacts(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    """The angles, and whether the segments touch: Delta may have either sign, and D is not positive, up to rounding."""
    alpha, beta, gamma, delta = a - c, b - c, b - d, a - d
    triple = (alpha * torch.linalg.cross(gamma, beta, dim=-1)).sum(-1)
    na, nb, ng, ne = (vector.norm(dim=-1) for vector in (alpha, beta, gamma, delta))
    ag = (alpha * gamma).sum(-1)
    first = na * nb * ng + (alpha * beta).sum(-1) * ng + ag * nb + (beta * gamma).sum(-1) * na
    second = na * ng * ne + ag * ne + (alpha * delta).sum(-1) * ng + (gamma * delta).sum(-1) * na
    size = ROUNDING * torch.finfo(a.dtype).eps * na * ng * torch.maximum(nb, ne)
    touching = (triple.abs() <= size) & (torch.minimum(first, second) <= size)
    return torch.atan2(triple, first) + torch.atan2(triple, second), touching
