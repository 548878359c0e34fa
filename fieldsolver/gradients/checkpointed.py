"""Exact gradient of the discrete solution with checkpoints: the default.

Going forward only some states are kept. Going backward, segment by segment from the last one, the states of the segment
are recomputed from its checkpoint, and each step is differentiated by itself::

    (y, k1) -> (y_new, k1_new, saved values)        one accepted row of steps
    lambda_y, lambda_k1, grad_p  +=  (lambda_y_new, lambda_k1_new, lambda_saved) . Jacobian

Memory: the checkpoints, the states of one segment, and the graph of one step. Cost: one more solve over the accepted
steps. The result is the gradient of `direct`, to round-off.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError
from fieldsolver.methods import Method
from fieldsolver.stepping import Ends, Trajectory, VectorField, integrate
from fieldsolver.stepping.random_numbers import RandomState
from fieldsolver.stepping.save_times import SaveTimes
from fieldsolver.stepping.vector_field import unselectable

from .checkpoints import CheckpointRecorder
from .none import without_gradient
from .probe import refuse_captured_gradients
from .sweep import Sweep


@dataclass(frozen=True)
class Checkpointed:
    """Some states are kept, the others recomputed.

    Args:
        states: largest number of states kept; None chooses it.
    """

    states: int | None = None
    name = "checkpointed"

    def check(self, method: Method, equation: FieldEquation | None, span: float) -> None:
        """Every method will do."""

    def solve(
        self, field: VectorField, method: Method, y0: Tensor, t0: float, t1: float, *, ends: Ends | None = None,
        **options: Any,
    ) -> Trajectory:  # fmt: skip
        """See `checkpointed`."""
        return checkpointed(field, method, y0, t0, t1, checkpoints=self.states, **options)


def checkpointed(
    field: VectorField, method: Method, y0: Tensor, t0: float, t1: float, *, checkpoints: int | None = None,
    **options: Any,
) -> Trajectory:  # fmt: skip
    """Integrate with a graph from y0 and the parameters to `saved` and `y_end`; `dense` carries none.

    Args:
        field: the right-hand side; what it captures beyond its parameters must not require a gradient.
        method: the scheme.
        y0: (B, *state), initial states.
        t0: start.
        t1: end.
        checkpoints: largest number of states kept going forward; None: about twice the square root of the steps.
        **options: those of `integrate`.

    Raises:
        OptionError: f captures tensors that require a gradient.
        OptionError: (in the backward pass) `create_graph=True`; higher derivatives need gradient="direct".
    """
    events = options.get("events", ())
    refuse_captured_gradients(field, t0, y0, "checkpointed", events)
    field = unselectable(field) if any(not event.selectable for event in events) else field
    recorder = CheckpointRecorder(checkpoints, RandomState.now(y0.device))
    if not torch.is_grad_enabled() or not any(x.requires_grad for x in (y0, *field.parameters)):
        return without_gradient(field, method, y0, t0, t1, **options)
    problem = _Problem(field, method, float(t0), float(t1), options, recorder)
    saved, y_end, *logged = _Checkpointed.apply(problem, y0, *field.parameters)
    found = problem.trajectories.pop()
    happened = found.events and found.events.with_values(*logged)
    return replace(found, saved=saved, y_end=y_end, events=happened)


@dataclass
class _Problem:
    """What forward and backward share besides tensors; `trajectories` hands the result out of `forward`."""

    field: VectorField
    method: Method
    t0: float
    t1: float
    options: dict[str, Any]
    recorder: CheckpointRecorder
    trajectories: list[Trajectory] = dataclass_field(default_factory=list)


class _Checkpointed(torch.autograd.Function):
    """(y0, parameters) -> (saved, y_end), and times, states before and states after of the logged events."""

    @staticmethod
    def forward(ctx: Any, problem: _Problem, y0: Tensor, *parameters: Tensor) -> tuple[Tensor, ...]:
        options = {**problem.options, "observers": (*problem.options.get("observers", ()), problem.recorder)}
        field = problem.field.with_parameters(parameters)
        trajectory = integrate(field, problem.method, y0, problem.t0, problem.t1, **options)
        problem.trajectories.append(trajectory)
        ctx.problem = problem
        ctx.save_for_backward(*parameters)  # torch then refuses a backward pass after an in-place update
        ctx.set_materialize_grads(False)
        # New tensor objects: the outputs refer to ctx, and what ctx keeps must not refer to them, or nothing is freed.
        y_end = trajectory.y_end.clone() if trajectory.y_end is y0 else trajectory.y_end.detach()
        happened = trajectory.events
        if happened is None:
            return trajectory.saved.detach(), y_end
        ctx.noted = happened.noted
        logged = (happened.t, happened.y_before, happened.y_after)
        return trajectory.saved.detach(), y_end, *(values.clone() for values in logged)

    @staticmethod
    def backward(
        ctx: Any, grad_saved: Tensor | None, grad_end: Tensor | None, *logged: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # create_graph=True: returning plain numbers would drop terms in silence
            raise OptionError(
                "gradient='checkpointed' was differentiated with create_graph=True, but its gradient carries no graph; "
                "use gradient='direct' for higher derivatives"
            )
        problem: _Problem = ctx.problem
        field = problem.field.with_parameters(ctx.saved_tensors)
        save_times = SaveTimes.checked(problem.options.get("save_at"), problem.t0, problem.t1)
        events = problem.options.get("events", ())
        sweep = Sweep(field, problem.method, problem.recorder, save_times, ctx.needs_input_grad[2:], events)
        t, before, after = (_as_noted(ctx.noted, g) for g in logged) if logged else (None, None, None)
        grad_y0, gradients = sweep.run(grad_end, grad_saved, (t, before, after))
        return (None, grad_y0, *gradients)


def _as_noted(noted: np.ndarray, gradient: Tensor | None) -> Tensor | None:
    """Gradients of sorted events in the order in which the run noted them."""
    if gradient is None:
        return None
    return torch.zeros_like(gradient).index_copy(0, torch.from_numpy(noted).to(gradient.device), gradient)
