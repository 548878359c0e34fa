"""WENO of order 5 in advective form: no ringing at jumps, fifth order where the field is smooth.

Jiang & Shu, J. Comput. Phys. 126 (1996) 202; for ``v du/dx`` instead of ``df/dx`` Jiang & Peng, SIAM J. Sci. Comput. 21
(2000) 2126. With second differences ``K_i`` of u,

    h du/dx = (u_(i-2) - 8 u_(i-1) + 8 u_(i+1) - u_(i+2))/12 -+ Φ(K_(i-+2), K_(i-+1), K_i, K_(i+-1))

from the left (upper signs, for positive speed) and from the right, where

    Φ(a, b, c, d) = ω0 (a - 2b + c)/3 + (ω2 - 1/2)(b - 2c + d)/6
    ω_k ~ (1, 6, 3)_k / (ε + IS_k)^2,    IS_0 = 13 (a - b)^2 + 3 (a - 3b)^2    and so on.

ε is 1e-6 times the mean square of the six first differences in reach (Osher & Fedkiw, Level Set Methods, 2003, section
3.4, take 1e-6 times the largest square): it scales with u as IS does, so the scheme commutes with scaling of u. In a
complex field squares are squared moduli.

Where the second derivative does not vanish, the weights are the ideal ones up to O(h^2) and the order is 5. Within a
few cells of an inflection they are ideal up to O(h) only and the order is 4, or 3 where the third derivative vanishes
there too; on fine grids ε outweighs IS at an inflection with a slope, and the order is 5 again. The loss is local: it
shows in the largest error more than in the mean.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fieldsolver.errors import GridError

from .scheme import AdvectionScheme, Speed, real_dtype, real_speed

WIDTH = 3
EPSILON = 1e-6


class Weno5(AdvectionScheme):
    """Weighted essentially non-oscillatory differences of order 5."""

    name = "weno5"
    order = 5
    width = WIDTH
    stencil = "(u_(i-2) - 8 u_(i-1) + 8 u_(i+1) - u_(i+2))/(12 h) - Φ/h, Φ weighted by smoothness of u_(i-3) .. u_(i+2)"

    def __call__(self, values: Tensor, speed: Speed, dim: int, spacing: float, *, periodic: bool) -> Tensor:
        """``v du/dx``; see `AdvectionScheme.__call__`.

        Raises:
            ParameterError: the speed is complex.
            GridError: fewer than 3 points on a periodic axis.
        """
        speed = real_speed(speed, values)
        values = _wrapped(values, dim) if periodic else values
        points = values.shape[dim] - 2 * WIDTH
        slopes = values.diff(dim=dim)  # D_k = u_(k+1) - u_k, k = i-3 .. i+2
        curvatures = slopes.diff(dim=dim)  # K_k = D_k - D_(k-1), k = i-2 .. i+2
        D = [slopes.narrow(dim, k, points) for k in range(6)]
        K = [curvatures.narrow(dim, k, points) for k in range(5)]
        central = (7 * (D[2] + D[3]) - (D[1] + D[4])) / 12
        scale = sum(map(_square, D[1:]), _square(D[0])) / 6 + torch.finfo(real_dtype(values)).tiny
        if not isinstance(speed, Tensor):  # one side is enough
            slope = central - _bias(K[:4], scale) if speed > 0 else central + _bias(K[:0:-1], scale)
            return speed / spacing * slope
        left, right = _bias(K[:4], scale), _bias(K[:0:-1], scale)
        # v+ (C - left) + v- (C + right), with v+- = (v +- |v|)/2
        rate = speed * (central + (right - left) / 2) - speed.abs() * (left + right) / 2
        return rate / spacing


WENO5 = Weno5()


def _bias(K: Sequence[Tensor], scale: Tensor) -> Tensor:
    """Φ of the four second differences, the upwind one first."""
    a, b, c, d = K
    smoothness = (
        13 * _square(a - b) + 3 * _square(a - 3 * b),
        13 * _square(b - c) + 3 * _square(b + c),
        13 * _square(c - d) + 3 * _square(3 * c - d),
    )
    # Divided by the scale before squaring: float32 would underflow.
    ideal = (1.0, 6.0, 3.0)
    left, middle, right = (g / (EPSILON + beta / scale).square() for g, beta in zip(ideal, smoothness, strict=True))
    total = left + middle + right
    return left / total * (a - 2 * b + c) / 3 + (right / total - 0.5) * (b - 2 * c + d) / 6


def _square(values: Tensor) -> Tensor:
    return (values * values.conj()).real if values.is_complex() else values.square()


def _wrapped(values: Tensor, dim: int) -> Tensor:
    points = values.shape[dim]
    if points < WIDTH:
        raise GridError(f"weno5 needs at least {WIDTH} points along a periodic axis, got {points}")
    return torch.cat([values.narrow(dim, points - WIDTH, WIDTH), values, values.narrow(dim, 0, WIDTH)], dim)
