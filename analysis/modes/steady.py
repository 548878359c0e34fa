"""Uniform steady states: Newton's method from many starts at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .factors import vanishes_on_uniform
from .linearise import Linearised
from .response import Response

RESIDUAL = 1e-11
SAME = 1e-6
ITERATIONS = 60
STARTS = 96
BOUNDS = (-3.0, 3.0)
MANY = 8
"""More states than this with a singular Jacobian form a continuum; fewer are double roots, as at a fold."""
SIMPLE = 1e-9
"""A singular value of the Jacobian below this share of the largest is zero."""


@dataclass(frozen=True)
class SteadyStates:
    """Uniform steady states.

    Attributes:
        states: ``(S, C)``.
        residual: largest rate at each, ``(S,)``.
        continuum: whether the Jacobian is singular, as on a line of steady states, ``(S,)``.
    """

    states: Tensor
    residual: Tensor
    continuum: Tensor

    def __len__(self) -> int:
        return len(self.states)

    def take(self, index: Tensor) -> SteadyStates:
        """Some of them."""
        return SteadyStates(self.states[index], self.residual[index], self.continuum[index])


def refined(linearised: Linearised, starts: Tensor) -> SteadyStates:
    """Newton's method from `starts` ``(S, C)``; those that do not settle are left out, equal ones counted once.

    A singular Jacobian is inverted where it can be (least squares), so a start near a continuum ends on it.
    """
    states = starts.to(linearised.dtype).clone()
    for _ in range(ITERATIONS):
        rates, jacobian = rates_and_jacobian(linearised, states)
        step = _least_squares(jacobian, rates)[:, : linearised.size]
        step = torch.where(torch.isfinite(step), step, torch.zeros_like(step))
        states = states - step
        if bool((step.abs().amax(-1) <= 4e-16 * (1 + states.abs().amax(-1))).all()):
            break
    rates, jacobian = rates_and_jacobian(linearised, states)
    residual = rates.abs().amax(-1)
    size = 1 + states.abs().amax(-1)
    settled = torch.isfinite(states.abs()).all(-1) & (residual <= RESIDUAL * size)
    found = SteadyStates(states, residual, _singular(jacobian)).take(settled)
    return found.take(_distinct(found.states))


def searched(
    linearised: Linearised, *, bounds: tuple[float, float] = BOUNDS, near: Tensor | None = None, seed: int = 0
) -> SteadyStates:
    """Steady states from random starts, sorted; with zero and `near` among the starts. A search may miss some."""
    generator = torch.Generator().manual_seed(seed)
    low, high = bounds
    shape = (STARTS, linearised.size)
    starts = (low + (high - low) * torch.rand(shape, dtype=torch.float64, generator=generator)).to(linearised.dtype)
    zero = torch.zeros(1, linearised.size, dtype=linearised.dtype)
    given = [] if near is None else [near.reshape(1, -1).to(linearised.dtype)]
    found = refined(linearised, torch.cat([*given, zero, starts]))
    if int(found.continuum.sum()) > MANY:
        if bool(found.continuum.all()):
            return found.take(torch.arange(1))  # the first start stands for the continuum
        found = found.take(~found.continuum)
    if not len(found):
        return found
    outside = _outside(found.states, bounds)
    near_by = outside <= max(high - low, float(outside.min()))
    found = found.take(near_by)
    numbers = torch.view_as_real(found.states + 0j).flatten(1).tolist()
    order = sorted(range(len(found)), key=lambda i: [round(x, 6) for x in numbers[i]])
    return found.take(torch.tensor(order))


def _outside(states: Tensor, bounds: tuple[float, float]) -> Tensor:
    """How far each state lies outside the bounds, ``(S,)``; a sine has infinitely many zeros."""
    low, high = bounds
    values = torch.view_as_real(states + 0j).flatten(1)
    return torch.maximum(low - values, values - high).clamp_min(0.0).amax(-1)


def rates_and_jacobian(linearised: Linearised, states: Tensor) -> tuple[Tensor, Tensor]:
    """Rates ``(S, W)`` of uniform states and their Jacobian on uniform perturbations ``(S, W, W)``."""
    rates, response = linearised.at(states)
    return rates, uniform_matrix(linearised, response, len(states))


def uniform_matrix(linearised: Linearised, response: Response, states: int) -> Tensor:
    """What a response does to uniform perturbations: derivatives vanish, kernels integrate, means change nothing."""
    W = linearised.waves
    total = torch.zeros(states, W, W, dtype=linearised.dtype)
    for monomial, matrix in response.terms.items():
        if not vanishes_on_uniform(monomial):
            factor = torch.ones((), dtype=torch.float64)
            for part in monomial:
                if part.kind == "kernel":
                    factor = factor * linearised.integrals[part.name]
            total = total + factor * matrix
    return total


def _least_squares(jacobian: Tensor, rates: Tensor) -> Tensor:
    finite = torch.isfinite(jacobian.abs()).flatten(1).all(-1)[:, None, None]
    safe = torch.where(finite, jacobian, torch.eye(jacobian.shape[-1], dtype=jacobian.dtype))
    return (torch.linalg.pinv(safe, rtol=1e-13) @ rates.unsqueeze(-1)).squeeze(-1)


def _singular(jacobian: Tensor) -> Tensor:
    finite = torch.isfinite(jacobian.abs()).flatten(1).all(-1)[:, None, None]
    values = torch.linalg.svdvals(torch.where(finite, jacobian, torch.eye(jacobian.shape[-1], dtype=jacobian.dtype)))
    return values[:, -1] <= SIMPLE * values[:, 0].clamp_min(1e-300)


def _distinct(states: Tensor) -> Tensor:
    kept: list[int] = []
    for i, state in enumerate(states):
        if all(float((state - states[j]).abs().max()) > SAME * (1 + float(state.abs().max())) for j in kept):
            kept.append(i)
    return torch.tensor(kept, dtype=torch.long)
