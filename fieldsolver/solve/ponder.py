"""The ponder cost: how far a sample had to go, as a number that can be differentiated.

How many steps a solve takes, or how long it takes to come to rest, is piecewise constant or a threshold's business;
the length of the path is smooth::

    P = integral of rms(f(t, y)) dt        from the start to where the sample ended

P is one more component of the state, integrated by the same method over the steps that were accepted. So it is the
exact discrete quadrature, and its gradient is that of the mode it is computed in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from fieldsolver.equations.events import EventFunction
from fieldsolver.gradients import GradientMode
from fieldsolver.methods import Method
from fieldsolver.stepping import StepLog, VectorField


def ponder_cost(
    mode: GradientMode, field: VectorField, method: Method, y0: Tensor, steps: StepLog, span: tuple[float, float],
    events: Sequence[EventFunction],
) -> Tensor:  # fmt: skip
    """(B,) real: the length of the path of each sample, in the unit of the state.

    Args:
        mode: of the gradient.
        field: the right-hand side.
        method: the scheme that made the steps.
        y0: (B, *state), initial states.
        steps: the accepted steps.
        span: start and end of the solve.
        events: what happened on the way; their resets leave the cost alone.
    """
    shape = y0.shape[1:]
    longer = replace(field, function=_with_speed(field, shape))
    start = _joined(y0, y0.new_zeros(y0.shape[0]))
    watched = [_of_state(event, shape) for event in events]
    end = mode.solve(longer, method, start, *span, replay=steps, events=watched, max_steps=len(steps) + 1).y_end
    cost = end[:, -1]
    return cost.real if cost.is_complex() else cost


def _with_speed(field: VectorField, shape: torch.Size) -> Callable[[Sequence[Tensor], Tensor, Tensor], Tensor]:
    """f and, as the last component, its root mean square."""

    def function(parameters: Sequence[Tensor], t: Tensor, z: Tensor) -> Tensor:
        rate = field.function(tuple(parameters), t, _state(z, shape))
        speed = torch.linalg.vector_norm(rate.reshape(z.shape[0], -1), dim=1) / math.sqrt(max(shape.numel(), 1))
        return _joined(rate, speed)

    return function


def _of_state(event: EventFunction, shape: torch.Size) -> EventFunction:
    """The same event of the longer state."""
    condition, reset = event.condition, event.reset

    def longer_condition(parameters: Sequence[Tensor], t: Tensor, z: Tensor) -> Tensor:
        return condition(parameters, t, _state(z, shape))

    def longer_reset(parameters: Sequence[Tensor], t: Tensor, z: Tensor) -> Tensor:
        return z if reset is None else _joined(reset(parameters, t, _state(z, shape)), z[:, -1])

    return replace(event, condition=longer_condition, reset=None if reset is None else longer_reset)


def _state(z: Tensor, shape: torch.Size) -> Tensor:
    return z[:, :-1].reshape(z.shape[0], *shape)


def _joined(y: Tensor, last: Tensor) -> Tensor:
    """(B, N + 1) of states (B, *state) with N entries and one number (B,) each."""
    return torch.cat([y.reshape(y.shape[0], -1), last.to(y.dtype).unsqueeze(1)], dim=1)
