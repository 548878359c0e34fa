"""The shape of an energy near a state: is it linear, quadratic, the potential of a gradient flow, and how curved?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .density import Energy
from .formula_proof import depends_on_time

EXACT = 1e-9
"""Relative size of what counts as zero."""

ITERATIONS = 40

LATER = (0.0, 0.7331, 12.91)
"""After the given time; a power of time or a usual period shows at one of them."""


@dataclass(frozen=True)
class Shape:
    """What probes of an energy at one state and around it found.

    Attributes:
        conserved: largest relative ``|<dE/dy, f>|``.
        degree: 0 when E does not change at all, 1 when it is linear, 2 quadratic, ``inf`` otherwise.
        gradient_flow: relative miss of ``f = -M^-1 dE/dy`` with the weights M of the grid.
        curvature: upper end for the largest eigenvalue of ``M^-1 d2E/dy2``: a Ritz value of Lanczos's method plus its
            residual.
        steepest: the Ritz vector, ``(C, *grid)``; None for complex states.
        times: at which was looked.
        states: how many at each.
    """

    conserved: float
    degree: float
    gradient_flow: float
    curvature: float
    steepest: Tensor | None
    times: tuple[float, ...]
    states: int

    @property
    def where(self) -> str:
        """In words."""
        return f"{self.states} states around the given one at t = {', '.join(f'{time:g}' for time in self.times)}"


def shape_of(energy: Energy, t: Tensor, y: Tensor, seed: int) -> Shape:
    """Probe an energy at the state ``(C, *grid)`` and at random states of its size.

    Where the equation or the energy depends on time, later times are probed, too.

    Args:
        energy: of a declared equation.
        t: scalar float64.
        y: the state.
        seed: of the random states.
    """
    generator = torch.Generator().manual_seed(seed)
    states = [y, *(_random_like(y, generator) for _ in range(2))]
    weights = energy.weights.to(y.device)
    times = [t + later for later in (LATER if depends_on_time(energy) else (0.0,))]
    conserved, along = 0.0, 0.0
    for time in times:
        for state in states:
            gradient, rate = energy.gradient(time, state), energy.equation(time, state).detach()
            power = (gradient.conj() * rate).real
            own = float(energy.along(time, state, torch.ones_like(time), torch.zeros_like(state))[1])
            conserved = max(conserved, _ratio(abs(float(power.sum()) + own), float(power.abs().sum()) + abs(own)))
            along = max(along, _ratio(float((rate + gradient / weights).abs().max()), float(rate.abs().max())))
    curvature, steepest = largest_curvature(energy, t, y, generator)
    return Shape(
        conserved, degree_of(energy, t, y, states[1]), along, curvature, steepest,
        tuple(float(time) for time in times), len(states),
    )  # fmt: skip


def largest_curvature(energy: Energy, t: Tensor, y: Tensor, generator: torch.Generator) -> tuple[float, Tensor | None]:
    """Lanczos's method on ``M^-1/2 H M^-1/2`` with products of the Hessian H: upper end, and Ritz vector of the state.

    NaN and None for complex states.

    Source: G. H. Golub and C. F. Van Loan, *Matrix Computations* (2013), section 10.1.
    """
    if y.is_complex():
        return math.nan, None
    root = energy.weights.to(y).expand(y.shape).sqrt()

    def product(v: Tensor) -> Tensor:
        return torch.func.jvp(lambda state: energy.gradient(t, state), (y,), (v / root,))[1] / root

    basis = [_unit(_random_like(y, generator) * (root > 0))]
    alphas, betas = [], []
    for _ in range(min(ITERATIONS, y.numel())):
        image = product(basis[-1]).detach()
        alphas.append(float((basis[-1] * image).sum()))
        for vector in [*basis, *basis]:  # twice is enough
            image = image - (vector * image).sum() * vector
        betas.append(float(image.norm()))
        if betas[-1] <= 1e-12 * max(map(abs, alphas)):
            break
        basis.append(image / betas[-1])
    inner = betas[: len(alphas) - 1]
    values, vectors = np.linalg.eigh(np.diag(alphas) + np.diag(inner, 1) + np.diag(inner, -1))
    ritz = (
        torch.stack([c * vector for c, vector in zip(vectors[:, -1].tolist(), basis, strict=False)]).sum(dim=0) / root
    )
    return float(values[-1] + betas[-1] * abs(vectors[-1, -1])), ritz


def degree_of(energy: Energy, t: Tensor, y: Tensor, direction: Tensor) -> float:
    """0, 1, 2 or infinity: by finite differences that are exact for polynomials, third ones vanish for quadratic ones.

    Args:
        energy: of a declared equation.
        t: scalar float64, or one that broadcasts with the samples.
        y: a state ``(C, *grid)``, or samples of it, whose energies are added.
        direction: of the shape of y.
    """
    values = [float(energy(t, y + k * direction).sum()) for k in range(5)]
    size = max(map(abs, values)) or 1.0
    for degree in range(3):
        if max(abs(np.diff(values, n=degree + 1))) <= EXACT * size:
            return degree
    return math.inf


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


def _random_like(y: Tensor, generator: torch.Generator) -> Tensor:
    size = float(y.abs().square().mean().sqrt()) or 1.0
    noise = torch.randn(y.shape, dtype=y.real.dtype, generator=generator).to(y)
    return size * noise


def _unit(v: Tensor) -> Tensor:
    return v / v.norm()
