"""Exact gradient of the discrete solution with checkpoints: the default.

Going forward only some states are kept, as many as the budget allows, at places from which the others can be made again
with the fewest steps (`placement`). Going backward each accepted row of steps is differentiated by itself::

    (y, t0, t1, p) -> (y_new, saved values, events)
    lambda_y, grad_p  +=  (lambda_y_new, lambda_saved, lambda_events) . Jacobian

Memory: the states kept, and the graph of one row. Cost: the run once more with a graph, and the steps that are made
again without one (`binomial`). The gradient is that of `direct`; the sums are even added in its order, so that it is
the same to the last bit where f gives the same numbers again and the loss depends on the end of the run.

A state is all that is kept of a step of a Runge-Kutta method; its first derivative is made again, where it is
differentiated anyway. Methods that carry more from step to step (those of Adams, any method with a function that draws
random numbers, compiled steps that pass on a derivative) keep that too, and it counts.
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
from fieldsolver.stepping import BackwardStatistics, Ends, Trajectory, VectorField, integrate
from fieldsolver.stepping.random_numbers import RandomState
from fieldsolver.stepping.save_times import SaveTimes
from fieldsolver.stepping.vector_field import unselectable

from .budget import Budget, known_steps
from .checkpoints import CheckpointRecorder
from .none import without_gradient
from .probe import refuse_captured_gradients
from .recomputation import Recomputation
from .repetition import Repetition
from .rows import RowRecorder
from .sweep import Sweep


@dataclass(frozen=True)
class Checkpointed:
    """Some states are kept, the others made again.

    Args:
        states: largest number of states (B, *state) that are kept, that at the start included. None: all of them while
            they take less than 64 MiB, then as many as keep the cost below one further run, about 2 sqrt(steps).

    Raises:
        OptionError: a number of states below one.
    """

    states: int | None = None
    name = "checkpointed"

    def __post_init__(self) -> None:
        Budget(self.states, None)

    def check(self, method: Method, equation: FieldEquation | None, span: float) -> None:
        """Every method will do."""

    def solve(
        self, field: VectorField, method: Method, y0: Tensor, t0: float, t1: float, *, ends: Ends | None = None,
        **options: Any,
    ) -> Trajectory:  # fmt: skip
        """Integrate with a graph from y0, the parameters and the ends to `saved` and `y_end`; `dense` carries none.

        Args:
            field: the right-hand side; what it captures beyond its parameters must not require a gradient.
            method: the scheme.
            y0: (B, *state), initial states.
            t0: start.
            t1: end.
            ends: the same as tensors, if their gradients are wanted.
            **options: those of `integrate`.

        Raises:
            OptionError: f captures tensors that require a gradient.
            OptionError: (in the backward pass) `create_graph=True`; higher derivatives need gradient="direct".
        """
        events = options.get("events", ())
        refuse_captured_gradients(field, t0, y0, self.name, events)
        field = unselectable(field) if any(not event.selectable for event in events) else field
        inputs = (y0, *(ends or (None, None)), *field.parameters)
        if not torch.is_grad_enabled() or not any(x is not None and x.requires_grad for x in inputs):
            return without_gradient(field, method, y0, t0, t1, **options)
        budget = Budget(self.states, known_steps(t0, t1, options))
        problem = _Problem(field, method, float(t0), float(t1), options, budget)
        saved, y_end, *logged = _Checkpointed.apply(problem, *inputs)
        found = problem.trajectories.pop()
        happened = found.events and found.events.with_values(*logged)
        return replace(found, saved=saved, y_end=y_end, events=happened, backward=problem.statistics)


@dataclass
class _Problem:
    """What forward and backward share besides tensors; `trajectories` hands the result out of `forward`."""

    field: VectorField
    method: Method
    t0: float
    t1: float
    options: dict[str, Any]
    budget: Budget
    statistics: BackwardStatistics = dataclass_field(default_factory=BackwardStatistics)
    trajectories: list[Trajectory] = dataclass_field(default_factory=list)


class _Checkpointed(torch.autograd.Function):
    """(y0, t0, t1, parameters) -> (saved, y_end), and times, states before and states after of the logged events."""

    @staticmethod
    def forward(
        ctx: Any, problem: _Problem, y0: Tensor, t0: Tensor | None, t1: Tensor | None, *parameters: Tensor
    ) -> tuple[Tensor, ...]:
        record = RowRecorder(late=t0 is not None and t0.requires_grad)
        checkpoints = CheckpointRecorder(problem.budget, RandomState.now(y0.device))
        options = {**problem.options, "observers": (*problem.options.get("observers", ()), record, checkpoints)}
        field = problem.field.with_parameters(parameters)
        trajectory = integrate(field, problem.method, y0, problem.t0, problem.t1, **options)
        problem.trajectories.append(trajectory)
        ctx.problem, ctx.record, ctx.checkpoints = problem, record, checkpoints
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
        _, _, t0_wanted, t1_wanted, *wanted = ctx.needs_input_grad
        field, events = problem.field.with_parameters(ctx.saved_tensors), problem.options.get("events", ())
        repetition = Repetition(field, problem.method, ctx.record, problem.t1, wanted, events)
        source = Recomputation(repetition, ctx.checkpoints)
        save_times = SaveTimes.checked(problem.options.get("save_at"), problem.t0, problem.t1)
        t, before, after = (_as_noted(ctx.noted, g) for g in logged) if logged else (None, None, None)
        sweep = Sweep(repetition, source, save_times, ends_wanted=t1_wanted)
        found = sweep.run(grad_end, grad_saved, (t, before, after))
        problem.statistics.nfev += repetition.nfev
        problem.statistics.peak_states = max(problem.statistics.peak_states, source.peak)
        return None, found.y0, found.t0 if t0_wanted else None, found.t1, *found.parameters


def _as_noted(noted: np.ndarray, gradient: Tensor | None) -> Tensor | None:
    """Gradients of sorted events in the order in which the run noted them."""
    if gradient is None:
        return None
    return torch.zeros_like(gradient).index_copy(0, torch.from_numpy(noted).to(gradient.device), gradient)
