"""Lyapunov functions of nonlinear systems around a point of rest: a linear programme over samples, then attacks on it.

``V = sum_i c_i phi_i`` is asked to satisfy ``V >= s |y|^2`` and ``dV/dt <= -s |y|^2`` at random states of a ball, with
the largest s; the linear programme is that of S. F. Hafstein and others on samples instead of a mesh, so that it proves
nothing between them. What is found is attacked at fresh states and by maximising dV/dt; a state that breaks it joins
the samples.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..orders.models import Floats
from .formulas import Formulas
from .samples import generator_of
from .system import System

ROUNDS = 6
SAMPLES = 300
FRESH = 4000
ASCENTS = 30


@dataclass(frozen=True)
class LyapunovFunction:
    """A function that falls along every trajectory that was tried in a ball.

    Attributes:
        expression: V, zero at the centre.
        centre: the point of rest.
        radius: of the ball.
        margin: smallest ``-dV/dt / |y|^2`` at fresh states and after the attacks; 0 or more.
    """

    expression: Any
    centre: Floats
    radius: float
    margin: float


def point_of_rest(system: System, seed: int) -> Tensor | None:
    """A stable steady state ``(n,)`` by Newton's method from random states, or None."""
    starts = 2 * torch.randn(5, *system.shape, dtype=torch.float64, generator=generator_of(seed))
    for start in torch.cat([torch.zeros_like(starts[:1]), starts]):
        y = _newton(system, start)
        if y is not None and _jacobian_eigenvalues(system, y).real.max() < -1e-9:
            return torch.where(y.abs() < 1e-12, 0.0, y)
    return None


def lyapunov_function(system: System, formulas: Formulas, seed: int, radius: float = 1.0) -> LyapunovFunction | None:
    """The linear programme for quadratic forms, then to degree 4, then in a smaller ball; None where all fail."""
    centre = point_of_rest(system, seed)
    if centre is None:
        return None
    for shrink in (1.0, 0.25):
        for degrees in ((2,), (2, 3, 4)) if centre.numel() <= 4 else ((2,),):
            found = _in_ball(system, formulas, centre, shrink * radius, seed, degrees)
            if found is not None:
                return found
    return None


@dataclass(frozen=True)
class _Monomials:
    """Products of powers of ``y - centre`` and their rates along the system."""

    system: System
    centre: Tensor
    exponents: Tensor

    def values(self, y: Tensor) -> Tensor:
        """``(K, m)``."""
        return self._products(y - self.centre, self.exponents)

    def rates(self, y: Tensor) -> Tensor:
        """``(K, m)``."""
        away, speed, total = y - self.centre, self.system(y), torch.zeros(1, dtype=torch.float64)
        for axis in range(y.shape[1]):
            power = self.exponents[:, axis]
            lower = self.exponents.clone()
            lower[:, axis] = (power - 1).clamp_min(0)
            total = total + power * self._products(away, lower) * speed[:, axis : axis + 1]
        return total

    def formula(self, coefficients: Floats, unknowns: Sequence[Any]) -> Any:
        """The combination in SymPy."""
        import sympy

        shifted = [u - sympy.Float(float(c)) if c else u for u, c in zip(unknowns, self.centre, strict=True)]
        terms = [
            sympy.Float(float(c)) * sympy.Mul(*[s ** int(e) for s, e in zip(shifted, row, strict=True)])
            for c, row in zip(coefficients, self.exponents, strict=True)
            if c
        ]
        return sympy.Add(*terms)

    @staticmethod
    def _products(away: Tensor, exponents: Tensor) -> Tensor:
        return (away.unsqueeze(1) ** exponents).prod(-1)


def _in_ball(
    system: System, formulas: Formulas, centre: Tensor, radius: float, seed: int, degrees: Sequence[int]
) -> LyapunovFunction | None:
    size = centre.numel()
    rows = [row for row in itertools.product(range(max(degrees) + 1), repeat=size) if sum(row) in degrees]
    library = _Monomials(system, centre, torch.tensor(rows, dtype=torch.float64))
    generator = generator_of(seed + 7)
    y = centre + radius * _ball(SAMPLES, size, generator)
    for _ in range(ROUNDS):
        coefficients = _programme(library, y)
        if coefficients is None:
            return None
        rounded = np.array([float(f"{c:.3g}") for c in coefficients])
        for weights in (rounded, coefficients):
            broken, margin = _attack(library, torch.as_tensor(weights), radius, generator)
            if not len(broken):
                return LyapunovFunction(library.formula(weights, formulas.unknowns), centre.numpy(), radius, margin)
        y = torch.cat([y, broken])
    return None


def _programme(library: _Monomials, y: Tensor) -> Floats | None:
    """The best margin, then the smallest coefficients that keep half of it."""
    from scipy.optimize import linprog

    square = ((y - library.centre) ** 2).sum(-1, keepdim=True)
    values, rates = (library.values(y) / square).numpy(), (library.rates(y) / square).numpy()
    count, ones = values.shape[1], np.ones((len(values), 1))
    limits = np.vstack([np.hstack([-values, ones]), np.hstack([rates, ones])])
    zero = np.zeros(len(limits))
    best = linprog([*np.zeros(count), -1.0], A_ub=limits, b_ub=zero, bounds=[(-1, 1)] * count + [(0, None)])
    if best.status != 0 or best.x[-1] < 1e-7:
        return None
    # The unknowns are now the positive and the negative parts.
    halves = np.hstack([limits[:, :count], -limits[:, :count]])
    small = linprog(np.ones(2 * count), A_ub=halves, b_ub=zero - best.x[-1] / 2, bounds=(0, 1))
    chosen = best.x[:count] if small.status != 0 else small.x[:count] - small.x[count:]
    return np.asarray(np.where(np.abs(chosen) < 1e-6, 0.0, chosen))


def _attack(library: _Monomials, weights: Tensor, radius: float, generator: torch.Generator) -> tuple[Tensor, float]:
    """States of the ball where V is not positive or does not fall: fresh ones, and those that ascent leads to."""
    centre = library.centre

    def worst(y: Tensor) -> Tensor:
        square = ((y - centre) ** 2).sum(-1)
        return torch.maximum(library.rates(y) @ weights, -(library.values(y) @ weights)) / square

    y = centre + radius * _ball(FRESH, centre.numel(), generator)
    climbing = y[worst(y).topk(20).indices]
    step = 0.05 * radius
    for _ in range(ASCENTS):
        slope = torch.func.grad(lambda states: worst(states).sum())(climbing)
        away = climbing + step * slope / slope.norm(dim=-1, keepdim=True).clamp_min(1e-300) - centre
        length = away.norm(dim=-1, keepdim=True)
        trial = centre + away * (radius / length).clamp_max(1.0) * (1e-3 * radius / length).clamp_min(1.0)
        climbing = torch.where((worst(trial) > worst(climbing)).unsqueeze(-1), trial, climbing)
        step *= 0.9
    every = torch.cat([y, climbing])
    score = worst(every)
    return every[score >= 0][:50], -float(score.max())


def _ball(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Points of the unit ball, as many near its centre as far out."""
    direction = torch.randn(count, size, dtype=torch.float64, generator=generator)
    radius = torch.rand(count, 1, dtype=torch.float64, generator=generator)
    return direction / direction.norm(dim=-1, keepdim=True) * radius


def _newton(system: System, start: Tensor) -> Tensor | None:
    y = start
    for _ in range(30):
        rate = system(y[None])[0]
        if not bool(torch.isfinite(rate).all()):
            return None
        if float(rate.abs().max()) < 1e-12 * (1 + float(y.abs().max())):
            return y
        step = torch.linalg.lstsq(_jacobian(system, y), rate.unsqueeze(-1)).solution[:, 0]
        y = y - step
    return None


def _jacobian(system: System, y: Tensor) -> Tensor:
    units = torch.eye(y.numel(), dtype=torch.float64)
    return torch.func.jvp(system, (y.expand_as(units).contiguous(),), (units,))[1].T


def _jacobian_eigenvalues(system: System, y: Tensor) -> Tensor:
    return torch.linalg.eigvals(_jacobian(system, y))
