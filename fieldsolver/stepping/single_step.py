"""One attempted step as a pure function of tensors: for those who drive an integration themselves, and for compilers.

It is the loop's own step with all decisions on the device: no host read, no branch on a value, and everything that may
change between two calls (time, step size, tolerances, parameters) is a tensor, so a compiled step is never compiled
again for other numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fieldsolver.methods import Memory, Method, Step
from fieldsolver.methods.reversible import carries_memory

from . import tensor_ops
from .adaptive import AdaptiveSteps
from .batch import Batch, Rest, all_finite
from .controllers import Controller, History, start_history
from .error_norm import Norm, Tolerance
from .initial_step import initial_step
from .status import Status
from .targets import End
from .vector_field import Parameters, VectorField


class Numbers(NamedTuple):
    """Everything that one step reads and the next one needs; B samples.

    Attributes:
        parameters: of the right-hand side.
        t: (B,) float64, where the samples are.
        y: (B, *state).
        memory: what the method carries.
        size: (B,) float64, |dt| of the next attempt.
        history: of the controller.
        status: (B,) int64; samples that are not `RUNNING` have failed and stay where they are.
        accepted: (B,) int64, steps kept.
        rejected: (B,) int64, steps thrown away.
        t_end: () float64, steps do not pass it; samples that are there wait.
        rtol: () relative tolerance, or one that broadcasts against one state.
        atol: absolute tolerance, likewise.
        dt_min: () smallest step.
        dt_max: () largest step.
        rest: (), (B, *state), (B, *state): time, state and derivative where f is known to be finite.
    """

    parameters: Parameters
    t: Tensor
    y: Tensor
    memory: Memory
    size: Tensor
    history: History
    status: Tensor
    accepted: Tensor
    rejected: Tensor
    t_end: Tensor
    rtol: Tensor
    atol: Tensor
    dt_min: Tensor
    dt_max: Tensor
    rest: tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Scheme:
    """What stays the same from step to step.

    Attributes:
        field: the right-hand side; its parameters are those of `Numbers`.
        method: the scheme.
        controller: law of the step size; None: steps of one size.
        direction: +1 or -1.
        norm: of the scaled error; None is the root mean square.
    """

    field: VectorField
    method: Method
    controller: Controller | None
    direction: float
    norm: Norm | None = None


def begin(
    scheme: Scheme, t: float, y: Tensor, k1: Tensor, *, t_end: float, rtol: Tolerance, atol: Tolerance,
    dt_min: float = 0.0, dt_max: float = np.inf, first_step: float | None = None,
) -> Numbers:  # fmt: skip
    """The numbers before the first step.

    Args:
        scheme: what will step.
        t: start.
        y: (B, *state), initial states.
        k1: (B, *state), f(t, y).
        t_end: see `Numbers`; likewise `rtol`, `atol`, `dt_min`, `dt_max`.
        first_step: size of the first attempt; None chooses it.
    """
    times = torch.full((y.shape[0],), t, dtype=torch.float64, device=y.device)
    end, smallest, largest = (
        torch.tensor(value, dtype=torch.float64, device=y.device) for value in (t_end, dt_min, dt_max)
    )
    relative, absolute = _tolerance(rtol, y), _tolerance(atol, y)
    if first_step is not None:
        size = torch.full_like(times, first_step)
    else:
        order, far = scheme.method.error_order, min(abs(t_end - t), dt_max, 1e100)
        size = initial_step(
            scheme.field, t, y, k1, far, scheme.direction, (order or 0) + 1, relative, absolute, scheme.norm, tensor_ops
        )
    status, accepted, rejected = torch.zeros(3, y.shape[0], dtype=torch.int64, device=y.device).unbind(0)
    return Numbers(
        parameters=scheme.field.parameters, t=times, y=y, memory=_carried(scheme, times, y, k1),
        size=size, history=_first_history(scheme.controller, times),
        status=status, accepted=accepted, rejected=rejected, t_end=end, rtol=relative, atol=absolute, dt_min=smallest,
        dt_max=largest, rest=(times[0] if len(times) else end, y.detach(), k1.detach()),
    )  # fmt: skip


def _tolerance(value: Tolerance, y: Tensor) -> Tensor:
    """On the device; one with axes takes the state's real dtype, so that it does not promote float32 to float64."""
    tolerance = torch.as_tensor(value, dtype=torch.float64, device=y.device)
    return tolerance.to(y.real.dtype) if tolerance.dim() else tolerance


def _first_history(controller: Controller | None, t: Tensor) -> History:
    return History(torch.zeros_like(t)) if controller is None else start_history(controller, t, tensor_ops)


def _carried(scheme: Scheme, t: Tensor, y: Tensor, k1: Tensor) -> Memory:
    """What the method carries from every step to the next, k1 only if it does: its kind must not change on the way."""
    return scheme.method.start(scheme.field, t, y, k1) if carries_memory(scheme.method) else ()


def attempt(scheme: Scheme, now: Numbers) -> tuple[Numbers, Step]:
    """Try one step of every sample that is on its way; those whose step is rejected stay, with a smaller size.

    Args:
        scheme: what steps.
        now: before the attempt.

    Returns:
        The numbers after it, and the record of the attempt for `method.interpolate`.
    """
    batch = Batch(
        scheme.field.with_parameters(now.parameters), np.empty(0, dtype=np.int64), now.t, now.y, now.memory,
        Rest(now.rest[0], now.rest[1], now.rest[2]), tensor_ops,
    )  # fmt: skip
    batch.running = (now.status == int(Status.RUNNING)) & (now.t != now.t_end)
    if scheme.controller is None:
        control: AdaptiveSteps | None = None
        remaining = now.t_end - now.t
        lands = remaining.abs() <= now.size * (1 + 1e-12)
        dt = torch.where(lands, remaining, scheme.direction * now.size)
        t_new = torch.where(lands, now.t_end, now.t + dt)
        dt = torch.where(batch.running, dt, 0.0)
    else:
        control = AdaptiveSteps(
            End(now.t_end, scheme.direction), scheme.method.error_order or 0, now.rtol, now.atol, scheme.controller,
            dt_min=now.dt_min, dt_max=now.dt_max, norm=scheme.norm,
        )  # fmt: skip
        control.resume(now.size, now.history, tensor_ops)
        dt, t_new = control.propose(batch)
    step = batch.attempt(scheme.method, dt, estimate=control is not None)
    moving = dt != 0.0
    accepted, failed = _finite(step, moving) if control is None else control.judge(step, batch, dt)
    batch.advance(step, accepted, t_new)
    after = now._replace(
        t=batch.t, y=batch.y, memory=batch.memory,
        size=now.size if control is None else control.size,
        history=now.history if control is None else control.history,
        status=now.status if failed is None else torch.where(failed != 0, failed.to(now.status.dtype), now.status),
        accepted=now.accepted + accepted, rejected=now.rejected + (moving ^ accepted),
    )  # fmt: skip
    return after, step


def _finite(step: Step, moving: Tensor) -> tuple[Tensor, Tensor | None]:
    """The verdict on steps of one size: they are kept while they are finite."""
    accepted = all_finite(step.y_new, *step.k[-1:]) & moving
    return accepted, torch.where(moving ^ accepted, int(Status.NON_FINITE), 0)
