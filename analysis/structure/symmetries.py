"""Properties of a flow that random states reveal: volume, skewness, and running backwards."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from .samples import is_periodic, spread_states
from .system import System

ALL = 64
"""Up to so many unknowns the trace of the Jacobian is summed exactly."""
DRAWS = 32
"""Random directions for the trace of larger ones."""
PATTERNS = 8
FIELD_PATTERNS = 3
"""Up to so many components, unknowns or fields, all patterns of signs are tried."""


@dataclass(frozen=True)
class Divergence:
    """Trace of the Jacobian over its size, at the state where it is largest.

    Attributes:
        defect: ``|tr J| / (sum |J_ii|)``; for large systems of the estimate.
        uncertainty: of that estimate, one standard error in the same measure; 0 where the trace was summed.
        mean: of the trace over the states.
        products: Jacobian products that it took.
    """

    defect: float
    uncertainty: float
    mean: float
    products: int


def divergence(system: System, y: Tensor, generator: torch.Generator) -> Divergence:
    """The divergence of the flow at states `y`: exact up to 64 unknowns, else by Hutchinson's estimate.

    M. F. Hutchinson, Commun. Stat. Simul. Comput. 19, 433 (1990): ``tr J = E[z' J z]`` for random signs z.
    """
    size = y[0].numel()
    if size <= ALL:
        units = torch.eye(size, dtype=torch.float64).reshape(size, *system.shape)
        diagonal = torch.stack([(unit * _product(system, y, unit)).flatten(1).sum(-1) for unit in units])
        scale = diagonal.abs().sum(0)
        traces = diagonal.sum(0)
        return Divergence(
            float((traces.abs() / scale.clamp_min(1e-300)).max()), 0.0, float(traces.mean()), size * len(y)
        )
    draws, sizes = [], []
    for _ in range(DRAWS):
        signs = torch.sign(spread_states(system, 1, generator)[0])
        product = signs * _product(system, y, signs)
        draws.append(product.flatten(1).sum(-1))
        sizes.append(product.flatten(1).abs().sum(-1))
    samples, scale = torch.stack(draws), torch.stack(sizes).mean(0).clamp_min(1e-300)
    means, errors = samples.mean(0), samples.std(0) / DRAWS**0.5
    worst = int((means.abs() / scale).argmax())
    return Divergence(
        float(means[worst].abs() / scale[worst]),
        float(errors[worst] / scale[worst]),
        float(means.mean()),
        DRAWS * len(y),
    )


def skewness(system: System, y: Tensor, generator: torch.Generator) -> float:
    """``<v, J v>`` over its size without cancellation, the largest: 0 where the Jacobian is skew."""
    v = system.settle(spread_states(system, y.shape[0], generator))
    power = (v * _product(system, y, v) * system.weights).flatten(1)
    return float((power.sum(-1).abs() / power.abs().sum(-1).clamp_min(1e-300)).max())


@dataclass(frozen=True)
class Reversal:
    """An involution R with ``R f(R y) = -f(y)``.

    Attributes:
        defect: largest relative miss over the states.
        description: which components change sign, and whether the first axis is mirrored.
    """

    defect: float
    description: str


def reversal(system: System, y: Tensor) -> Reversal:
    """The pattern of signs, with or without a mirror along the first axis, that reverses time best."""
    rates = system(y)
    scale = rates.flatten(1).abs().amax(1).clamp_min(1e-300)
    best = Reversal(float("inf"), "none of the patterns tried")
    mirrors = (False, True) if system.grid and is_periodic(system, 0) else (False,)
    if system.components > (FIELD_PATTERNS if system.grid else PATTERNS):
        return best
    for flips, mirrored in itertools.product(itertools.product((1.0, -1.0), repeat=system.components), mirrors):
        signs = torch.tensor(flips, dtype=torch.float64).reshape(-1, *[1] * len(system.grid))
        image = _mirrored(y * signs, mirrored)
        miss = _mirrored(system(image) * signs, mirrored) + rates
        defect = float((miss.flatten(1).abs().amax(1) / scale).max())
        if defect < best.defect:
            names = [name for name, sign in zip(system.names, flips, strict=True) if sign < 0]
            words = [f"{', '.join(names)} change sign"] if names else []
            words += ["the first axis is mirrored"] if mirrored else []
            best = Reversal(defect, " and ".join(words) or "nothing changes")
    return best


def _mirrored(y: Tensor, mirrored: bool) -> Tensor:
    return y.flip(2) if mirrored else y


def _product(system: System, y: Tensor, direction: Tensor) -> Tensor:
    """``J v`` at every state of `y`, for one direction or one per state."""
    return torch.func.jvp(system, (y,), (direction.expand_as(y).contiguous(),))[1]
