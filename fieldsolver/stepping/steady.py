"""What a steady state is: the user's conditions, and the number that they are judged by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods import Step

from .error_norm import Tolerance, combined, rms

PART = 0.1
"""Of the way that a step goes: as large may its error be."""


@dataclass(frozen=True, eq=False)
class SteadyState:
    """Integrate until a sample is at rest, up to tolerances.

    After every accepted step the scaled residual of each sample is taken, the root mean square over its state::

        r = rms( f(t, y) / (atol + rtol |y|) )

    and a sample ends with the first step where r <= 1. Since f is a rate, these tolerances are rates as well: a state
    at rest is about (slowest time constant) x ``atol + rtol |y|`` away from the steady state. If that time constant is
    not of order one, divide the accuracy that is wanted by it.

    Adaptive steps are held to errors below a tenth of the way they go, besides rtol and atol of the solve: otherwise
    the errors of stiff modes would keep a sample moving. Rates below the round-off of f, in float32 about 1e-7 times
    its largest term, cannot be reached.

    Args:
        atol: absolute tolerance of the rate, in the unit of the state per unit of time: a number, a tensor that
            broadcasts against one state, or a dict with a number or a tensor per field.
        rtol: relative tolerance of the rate, per unit of time, likewise.
        max_time: how long a sample may take; None: until the end of `t_span`.
        ponder: also compute ``solution.ponder``, the integral of rms(f) over the run: the length of the path, in the
            unit of the state. It can be differentiated and made part of a loss, which a number of steps or the time
            to converge cannot. Costs a second solve over the accepted steps.

    Raises:
        OptionError: max_time is no positive number.
    """

    atol: Tolerance | Mapping[str, Tolerance] = 1e-8
    rtol: Tolerance | Mapping[str, Tolerance] = 1e-6
    max_time: float | None = None
    ponder: bool = False

    def __post_init__(self) -> None:
        time = self.max_time
        if time is None:
            return
        if isinstance(time, bool) or not isinstance(time, int | float) or not (math.isfinite(time) and time > 0):
            raise OptionError(f"max_time is a positive time after which a sample gives up, got {time!r}")

    def tolerances(self, y: Tensor) -> tuple[Tolerance, Tolerance]:
        """rtol and atol for states (B, *state) like y: numbers, or tensors in their precision.

        Raises:
            OptionError: one is negative, or a dict, which only `solve` can read.
        """
        found = []
        for name, value in (("rtol", self.rtol), ("atol", self.atol)):
            if isinstance(value, Mapping):
                raise OptionError(f"{name} of SteadyState per field belongs to fs.solve; pass a number or a tensor")
            if not bool(torch.as_tensor(value >= 0).all()):
                raise OptionError(f"{name} of SteadyState is {value}, expected numbers that are not negative")
            found.append(value.to(y.device, y.abs().dtype) if isinstance(value, Tensor) else float(value))
        return found[0], found[1]


def scaled_residual(rate: Tensor, y: Tensor, rtol: Tolerance, atol: Tolerance) -> Tensor:
    """rms(f / (atol + rtol abs(y))) of each sample; an entry that does not move counts as zero whatever its scale.

    Args:
        rate: (B, *state), f(t, y).
        y: (B, *state).
        rtol: relative tolerance, per time.
        atol: absolute tolerance, state per time.

    Returns:
        (B,) real, without a graph.
    """
    with torch.no_grad():
        scale = y.abs().mul_(rtol).add_(atol)
        return rms(torch.where(rate == 0, 0, rate / scale))


def error_of_way(step: Step, rtol: Tolerance, atol: Tolerance) -> Tensor:
    """The error of an attempted step as a part of the way it goes; more than `PART` of it counts as more than 1.

    Where stability limits the steps of a method, its controller lets errors of the fast modes grow up to the tolerance,
    and they keep up a rate of that size times the stiffness: the sample would never come to rest. Held to a part of
    the way, which shrinks with the rate, they die out. Errors of no account for the steady state are let through: those
    below the same part of ``atol + rtol |y|`` times the length of the step.

    Args:
        step: with its error estimate.
        rtol: relative tolerance of the rate, per time.
        atol: absolute tolerance of the rate, state per time.

    Returns:
        (B,) real, without a graph.

    Raises:
        OptionError: the method made no estimate.
    """
    if step.error is None:
        raise OptionError("the method made no error estimate; give dt= for fixed steps")
    with torch.no_grad():
        scale = step.y_new.abs().mul_(rtol).add_(atol)
        error, way = rms(step.error / scale), rms((step.y_new - step.y) / scale)
        if step.coarse_error is not None:
            error = combined(error, rms(step.coarse_error / scale))
        return error / (PART * torch.maximum(way, step.dt.abs().to(way.dtype)))
