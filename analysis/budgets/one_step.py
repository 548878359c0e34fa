"""One step of any Runge-Kutta method as a differentiable map: explicit by the package, implicit by Newton."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from fieldsolver.errors import OptionError, listing
from fieldsolver.methods import METHODS

Rate = Callable[[Tensor, Tensor], Tensor]
"""f(t, y) of one state ``(n,)``."""

StepMap = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(t, y, dt) -> y_new, with scalar t and dt."""

Surd = tuple[Fraction, Fraction]
"""``a + b sqrt(3)``, exactly."""


@dataclass(frozen=True)
class Stages:
    """An implicit tableau, exactly: A, b, and the order."""

    a: Sequence[Sequence[Surd]]
    b: Sequence[Surd]
    order: int


def _rational(numerator: int, denominator: int = 1) -> Surd:
    return Fraction(numerator, denominator), Fraction(0)


IMPLICIT: dict[str, Stages] = {
    "implicit_euler": Stages([[_rational(1)]], [_rational(1)], 1),
    "implicit_midpoint": Stages([[_rational(1, 2)]], [_rational(1)], 2),
    "gauss4": Stages(
        [
            [_rational(1, 4), (Fraction(1, 4), Fraction(-1, 6))],
            [(Fraction(1, 4), Fraction(1, 6)), _rational(1, 4)],
        ],
        [_rational(1, 2), _rational(1, 2)],
        4,
    ),
}
"""Implicit methods to compare with; they do not belong to the solver. Hairer and Wanner, *Solving Ordinary Differential
Equations II* (1996), sections IV.3 and IV.5."""

SPLIT: dict[str, int] = {"symplectic_euler": 1, "verlet": 2}
"""Methods for ``q' = p, p' = F(q)`` with the state ``(q, p)``, and their orders."""

NEWTON_STEPS = 12


def step_map(f: Rate, method: str) -> StepMap:
    """One step of `method` for ``y' = f(t, y)``, ``y (n,)``; it can be differentiated by `torch.func`.

    Raises:
        OptionError: the method is not known, or its step needs a past.
    """
    if method in IMPLICIT:
        return _implicit(f, IMPLICIT[method])
    if method in SPLIT:
        return _split(f, method)
    if method in METHODS and hasattr(METHODS[method], "tableau"):
        return _explicit(f, method)
    known = [*(name for name in METHODS if hasattr(METHODS[name], "tableau")), *IMPLICIT, *SPLIT]
    raise OptionError(f"a single step is known of {listing(known)}; got {method!r}")


def order_of(method: str) -> int:
    """Order of a method that `step_map` knows."""
    if method in IMPLICIT:
        return IMPLICIT[method].order
    return SPLIT[method] if method in SPLIT else METHODS[method].order


def _explicit(f: Rate, method: str) -> StepMap:
    scheme = METHODS[method]

    def one(t: Tensor, y: Tensor) -> Tensor:
        return f(t.squeeze(0), y.squeeze(0)).unsqueeze(0)

    def step(t: Tensor, y: Tensor, dt: Tensor) -> Tensor:
        taken = scheme.step(one, t.reshape(1), dt.reshape(1), y.unsqueeze(0), estimate=False)
        return taken.y_new.squeeze(0)

    return step


def _implicit(f: Rate, stages: Stages) -> StepMap:
    a = torch.tensor([[_float(value) for value in row] for row in stages.a], dtype=torch.float64)
    b = torch.tensor([_float(value) for value in stages.b], dtype=torch.float64)
    c = a.sum(dim=1)

    def residual(k: Tensor, t: Tensor, y: Tensor, dt: Tensor) -> Tensor:
        inner = y + dt * (a.to(y) @ k)
        return k - torch.stack([f(t + c_i * dt, y_i) for c_i, y_i in zip(c, inner, strict=True)])

    def step(t: Tensor, y: Tensor, dt: Tensor) -> Tensor:
        k = f(t, y).expand(len(b), *y.shape).clone()
        for _ in range(NEWTON_STEPS):
            miss = residual(k, t, y, dt)
            jacobian = torch.func.jacrev(lambda x: residual(x, t, y, dt))(k).reshape(k.numel(), k.numel())
            change = torch.linalg.solve(jacobian.detach(), miss.flatten()).reshape(k.shape)
            k = k - change  # at the solution one more step has the derivative of the solution (implicit functions)
        return y + dt * (b.to(y) @ k)

    return step


def _float(value: Surd) -> float:
    return float(value[0]) + float(value[1]) * math.sqrt(3)


def _split(f: Rate, method: str) -> StepMap:
    def velocity(t: Tensor, q: Tensor, p: Tensor) -> Tensor:
        return f(t, torch.cat([q, p]))[: len(q)]

    def force(t: Tensor, q: Tensor, p: Tensor) -> Tensor:
        return f(t, torch.cat([q, p]))[len(q) :]

    def step(t: Tensor, y: Tensor, dt: Tensor) -> Tensor:
        if len(y) % 2:
            raise OptionError(f"{method} needs positions and as many velocities, got a state of {len(y)} entries")
        q, p = y[: len(y) // 2], y[len(y) // 2 :]
        if method == "symplectic_euler":
            p = p + dt * force(t, q, p)
            return torch.cat([q + dt * velocity(t, q, p), p])
        p = p + dt / 2 * force(t, q, p)
        q = q + dt * velocity(t + dt / 2, q, p)
        return torch.cat([q, p + dt / 2 * force(t + dt, q, p)])

    return step
