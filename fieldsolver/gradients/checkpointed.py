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

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.methods import Method
from fieldsolver.stepping import Ends, Trajectory, VectorField
from fieldsolver.stepping.random_numbers import RandomState

from .discrete.budget import Budget, known_steps
from .discrete.checkpoints import CheckpointRecorder
from .discrete.discrete_adjoint import solve_discretely
from .discrete.recomputation import Recomputation
from .discrete.repetition import Repetition


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
        budget = Budget(self.states, known_steps(t0, t1, options))

        def checkpoints() -> _Checkpoints:
            return _Checkpoints(budget, RandomState.now(y0.device))

        return solve_discretely(self.name, checkpoints, field, method, y0, t0, t1, ends, options)


class _Checkpoints(CheckpointRecorder):
    """The states that are kept, and the way from them to the others."""

    holds_end = False

    def source(self, repetition: Repetition) -> Recomputation:
        """See `Remembrance`."""
        return Recomputation(repetition, self)
