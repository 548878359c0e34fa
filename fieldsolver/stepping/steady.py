"""What a steady state is: the user's conditions, and the number that they are judged by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fieldsolver.errors import OptionError

from .error_norm import Tolerance, rms


@dataclass(frozen=True, eq=False)
class SteadyState:
    """Integrate until a sample is at rest, up to tolerances.

    After every accepted step the scaled residual of each sample is taken, the root mean square over its state::

        r = rms( f(t, y) / (atol + rtol |y|) )

    and a sample ends with the first step where r <= 1. Since f is a rate, these tolerances are rates as well: a state
    at rest is about (slowest time constant) x (atol + rtol |y|) away from the steady state. If that time constant is
    not of order one, divide the accuracy that is wanted by it.

    What cannot be reached: rates below the round-off of f (in float32 about 1e-7 times its largest term), and, with
    explicit methods on stiff problems, rates that the errors of the steps keep up; the tolerances of the solve should
    then be as much tighter as the problem is stiff.

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


def scaled_residual(rate: Tensor, y: Tensor, rtol: Tolerance, atol: Tolerance) -> Tensor:
    """rms(f / (atol + rtol |y|)) of each sample; an entry that does not move counts as zero whatever its scale.

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
