"""Shortest ways on a manifold.

A metric is a function of one point ``(d,)`` that returns ``g``, ``(d, d)``. A geodesic obeys ``x''^k + Gamma^k_ij x'^i
x'^j = 0`` and keeps its speed ``g(x', x')``. (J. M. Lee, Introduction to Riemannian Manifolds (2018), chapters 4 to 6.)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from fieldsolver.errors import OptionError, ParameterError

MetricFunction = Callable[[Tensor], Tensor]


class Geodesic(NamedTuple):
    """A geodesic at equidistant times.

    Attributes:
        x: points, (steps + 1, d).
        velocity: dx/dt, (steps + 1, d).
    """

    x: Tensor
    velocity: Tensor


def christoffel(metric: MetricFunction, x: Tensor) -> Tensor:
    """``Gamma^k_ij = g^kl (d_i g_jl + d_j g_il - d_l g_ij)/2`` at a point ``(d,)``: ``(k, i, j)``; exact."""
    g, dg = metric(x), torch.func.jacfwd(metric)(x)  # dg[i, j, l] = d_l g_ij
    lowered = (dg.permute(2, 0, 1) + dg.permute(0, 2, 1) - dg).permute(2, 0, 1) / 2  # (l, i, j)
    return torch.einsum("kl,lij->kij", torch.linalg.inv(g), lowered)


def acceleration(metric: MetricFunction, x: Tensor, velocity: Tensor) -> Tensor:
    """``x''`` of a geodesic, ``(d,)``."""
    return -torch.einsum("kij,i,j->k", christoffel(metric, x), velocity, velocity)


def speed_squared(metric: MetricFunction, x: Tensor, velocity: Tensor) -> Tensor:
    """``g(x', x')`` for points and velocities ``(n, d)``: ``(n,)``; constant along a geodesic."""
    return torch.einsum("nij,ni,nj->n", torch.func.vmap(metric)(x), velocity, velocity)


def geodesic(
    metric: MetricFunction, x: Tensor, velocity: Tensor, *, duration: float, steps: int, iterations: int = 50
) -> Geodesic:
    """The geodesic through `x` with this velocity, by the implicit midpoint rule on ``H = g^ij p_i p_j/2``.

    The rule is symplectic: the error of the speed is O(dt^2) and does not grow with time.

    Args:
        metric: of one point.
        x, velocity: where it starts and how, ``(d,)``.
        duration, steps: how far, and in how many steps.
        iterations: most Newton steps per step.

    Raises:
        OptionError: no steps.
        ParameterError: Newton's method found no next point; take more steps.
    """
    if steps < 1:
        raise OptionError(f"a geodesic takes at least 1 step, got {steps}")
    dimension, dt = len(x), duration / steps

    def hamiltonian(z: Tensor) -> Tensor:
        momentum = z[dimension:]
        return momentum @ torch.linalg.solve(metric(z[:dimension]), momentum) / 2

    def flow(z: Tensor) -> Tensor:
        slope = torch.func.grad(hamiltonian)(z)
        return torch.cat([slope[dimension:], -slope[:dimension]])

    states = [torch.cat([x, metric(x) @ velocity])]
    for _ in range(steps):
        states.append(_midpoint(flow, states[-1], dt, iterations))
    z = torch.stack(states)
    velocities = torch.linalg.solve(torch.func.vmap(metric)(z[:, :dimension]), z[:, dimension:])
    return Geodesic(z[:, :dimension], velocities)


def _midpoint(flow: Callable[[Tensor], Tensor], z: Tensor, dt: float, iterations: int) -> Tensor:
    """The solution of ``z' = z + dt f((z + z')/2)`` by Newton's method."""
    unit = torch.eye(len(z), dtype=z.dtype)
    new = z + dt * flow(z)
    enough = 100 * torch.finfo(z.dtype).eps * (1 + float(z.detach().abs().max()))
    for _ in range(iterations):
        middle = (z + new) / 2
        step = torch.linalg.solve(unit - dt / 2 * torch.func.jacfwd(flow)(middle), z + dt * flow(middle) - new)
        new = new + step
        if float(step.detach().abs().max()) <= enough:  # NaN does not pass
            return new
    raise ParameterError(
        f"the implicit midpoint rule found no next point of the geodesic with dt={dt:g}; take more steps"
    )


def path_energy(metric: MetricFunction, points: Tensor) -> Tensor:
    """``sum_i m g(dx_i, dx_i)`` of a polygon with m sides, points ``(m + 1, d)``; at least the squared length."""
    middles, sides = (points[1:] + points[:-1]) / 2, points[1:] - points[:-1]
    return len(sides) * torch.einsum("nij,ni,nj->", torch.func.vmap(metric)(middles), sides, sides)


def distance(metric: MetricFunction, start: Tensor, end: Tensor, *, sides: int = 64) -> tuple[Tensor, Tensor]:
    """Length of the shortest way that a descent from the straight line finds, and its points ``(sides + 1, d)``.

    The square root of the least energy; the error is O(1/sides^2). Where several geodesics join two points, as around
    a hill, it need not be the shortest of all: then compare with descents from elsewhere.

    Raises:
        OptionError: no sides.
    """
    if sides < 1:
        raise OptionError(f"a path takes at least 1 side, got {sides}")
    share = torch.linspace(0, 1, sides + 1, dtype=start.dtype)[:, None]
    straight = start + share * (end - start)
    if sides == 1:
        return path_energy(metric, straight).sqrt(), straight
    inner = straight[1:-1].clone().requires_grad_()
    search = torch.optim.LBFGS(
        [inner], max_iter=1000, tolerance_grad=1e-12, tolerance_change=1e-15, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        search.zero_grad()
        energy = path_energy(metric, torch.cat([start[None], inner, end[None]]))
        energy.backward()
        return energy

    search.step(closure)
    points = torch.cat([start[None], inner.detach(), end[None]])
    return path_energy(metric, points).sqrt(), points


def sphere(x: Tensor) -> Tensor:
    """The unit sphere in polar angle and longitude, ``diag(1, sin^2 theta)``."""
    one = torch.ones_like(x[0])
    return torch.diag(torch.stack([one, torch.sin(x[0]) ** 2]))


def half_plane(x: Tensor) -> Tensor:
    """Poincare's half plane, ``I/y^2``."""
    return torch.eye(2, dtype=x.dtype) / x[1] ** 2


def half_plane_distance(a: Tensor, b: Tensor) -> float:
    """``arcosh(1 + |a - b|^2/(2 a_y b_y))``."""
    return math.acosh(1 + float((a - b).square().sum() / (2 * a[1] * b[1])))
