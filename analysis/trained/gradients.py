"""How a disturbance of the start grows along the run, and a gradient on its way back."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.bound import bound
from fieldsolver.nn import SteadyFieldLayer
from fieldsolver.results import Verdict
from fieldsolver.solve import solve

from ..chaos.dynamics import equation_dynamics
from ..chaos.orbit import Orbit
from ..chaos.tangents import orthonormal, tangents
from ..subverdicts import Subverdict
from .visit import SAMPLES, Visit

Floats = NDArray[np.float64]
DENSE = 48
"""Unknowns up to which all singular values of dy(t)/dy(0) are computed."""
PROBES = 8
"""Random directions that stand for all of them in larger states."""
SMALL, LARGE = 1e-3, 1e3
"""Gains beyond which gradients vanish or explode."""


@dataclass(frozen=True)
class Gains:
    """Gains of dy(t)/dy(0), per time and sample.

    Attributes:
        largest: (T, S) largest singular value, of larger states that on the random directions, a lower bound.
        rms: (T, S) of a random direction.
        smallest: (T, S) smallest singular value; NaN for larger states.
        exact: all singular values are known.
    """

    largest: Floats
    rms: Floats
    smallest: Floats
    exact: bool


def forward_gains(visit: Visit, seed: int) -> Gains:
    """By tangents, stepped as the layer steps; adaptive layers by the smallest mean step of their samples."""
    samples = min(SAMPLES, visit.states.shape[1])
    dynamics = equation_dynamics(_few(visit, samples), visit.states[0, :samples])
    count = dynamics.size if dynamics.size <= DENSE else PROBES
    function = tangents(dynamics, samples, count)
    frame = orthonormal(samples, dynamics.moving, count, seed)
    clock = torch.zeros(samples, dtype=torch.float64)
    orbit = Orbit(function, visit.method, 1.0, clock, dynamics.starts, frame)
    rows = [torch.linalg.svdvals(frame)]
    with torch.no_grad():
        for length in visit.times.diff().tolist():
            steps = max(1, round(length / _step(visit)))
            orbit.dt = length / steps
            orbit.advance(steps)
            rows.append(torch.linalg.svdvals(orbit.frame))
    singular = torch.stack(rows).numpy()  # (T, S, k)
    exact = count == dynamics.size
    smallest = singular[..., -1] if exact else np.full(singular.shape[:2], math.nan)
    return Gains(singular[..., 0], np.sqrt((singular**2).mean(-1)), smallest, exact)


def _few(visit: Visit, samples: int) -> FieldEquation:
    """The equation with the inputs of the first samples."""
    if not visit.values:
        return visit.layer.equation
    return bound(visit.layer.equation, {name: value[:samples] for name, value in visit.values.items()})


def _step(visit: Visit) -> float:
    if visit.dt is not None:
        return visit.dt
    return visit.duration / float(visit.solution.stats.accepted.max())


def backward_norms(visit: Visit, loss: Callable[[Tensor], Tensor] | None, seed: int) -> Floats:
    """(T, B): norm of dL/dy(t), relative to that at the end of the run.

    Without a loss the cotangent at the end is a random direction.
    """
    equation, batch = visit.equation, visit.states.shape[1]
    states = [visit.states[0].clone().requires_grad_()]
    lead = visit.solution.y.shape[1 : visit.solution.y.dim() - len(equation.state_shape)]
    for begin, end in zip(visit.times[:-1].tolist(), visit.times[1:].tolist(), strict=True):
        y = states[-1].reshape(*lead, *equation.state_shape)
        run = solve(equation, y, t_span=(begin, end), gradient="direct", **visit.settings)
        states.append(run.y[-1].reshape(states[0].shape))
    last = states[-1]
    if loss is None:
        generator = torch.Generator().manual_seed(seed)
        value = (last * torch.randn(last.shape, generator=generator, dtype=torch.float64)).real.sum()
    else:
        read = visit.layer.readout(last)
        value = torch.as_tensor(loss(read.reshape(*lead, *read.shape[1:]))).sum()
    found = torch.autograd.grad(value, states)
    norms = torch.stack([one.abs().square().reshape(batch, -1).sum(1).sqrt() for one in found])
    relative: Floats = (norms / norms[-1].clamp_min(torch.finfo(torch.float64).tiny)).numpy()
    return relative


def gradient_growth(visit: Visit, gains: Gains) -> Subverdict:
    """Between vanishing and exploding."""
    if isinstance(visit.layer, SteadyFieldLayer):
        why = "a state of rest does not depend on the start; its gradient is implicit"
        return Subverdict("gradient growth", Verdict.NOT_APPLICABLE, why)
    name, largest, typical = "gradient growth", float(gains.largest[-1].max()), float(gains.rms[-1].max())
    rate = math.log(largest) / visit.duration if largest > 0 else -math.inf
    bound = "" if gains.exact else "at least "
    sentence = (
        f"dy(T)/dy(0) stretches by {bound}{largest:.2e} at most and {typical:.2e} at random, "
        f"a rate of {rate:.3g} per time"
    )
    if not math.isfinite(largest) or largest > LARGE:
        return Subverdict(name, Verdict.FAIL, f"gradients explode: {sentence}", largest, LARGE)
    if typical < SMALL:
        return Subverdict(name, Verdict.INCONCLUSIVE, f"the start is forgotten: {sentence}", typical, SMALL)
    return Subverdict(name, Verdict.PASS, sentence, largest, LARGE)
