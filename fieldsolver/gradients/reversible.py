"""Exact gradient of the discrete solution in constant memory, for methods whose steps can be undone.

Going forward no state is kept but the last one. Going backward each row of steps is undone, which recovers the state at
its start up to round-off, and then differentiated like those of `checkpointed`::

    (y_new, z_new) -> (y, z)                        the inverse of the step
    lambda_y, lambda_z, grad_p  +=  (lambda_y_new, lambda_z_new, lambda_saved) . Jacobian

Memory: the state and what the method carries, at the end and on the way back, and the graph of one row. Behind an event
or a jump the method has started anew, and its past is lost: there three states of the samples concerned are kept (four
with `reversible_heun`). Cost: undoing a row takes as many evaluations as making it, so a backward pass makes twice
those of the run, one half of them with a graph.

Going back, what the run has damped grows, and the round-off with it. So the start that was found again is compared with
the true one, and a warning says when digits were lost.

Source: Kidger, Foster, Li, Lyons 2021, arXiv 2105.13493, section 3; McCallum, Foster 2024, arXiv 2410.11648.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError, listing
from fieldsolver.methods import METHODS, Method, ReversibleMethod
from fieldsolver.stepping import Ends, Trajectory, VectorField

from .discrete.discrete_adjoint import solve_discretely
from .discrete.reversal import EndRecorder


@dataclass(frozen=True)
class Reversible:
    """The steps are undone; no states are kept."""

    name = "reversible"

    def check(self, method: Method, equation: FieldEquation | None, span: float) -> None:
        """Refuse methods whose steps cannot be undone.

        Raises:
            OptionError: names those that can.
        """
        if not isinstance(method, ReversibleMethod):
            able = [name for name, other in METHODS.items() if isinstance(other, ReversibleMethod)]
            raise OptionError(
                f"gradient='reversible' cannot undo the steps of {method.name!r}; it needs one of: {listing(able)}; or "
                "use gradient='checkpointed'"
            )

    def solve(
        self, field: VectorField, method: Method, y0: Tensor, t0: float, t1: float, *, ends: Ends | None = None,
        **options: Any,
    ) -> Trajectory:  # fmt: skip
        """Integrate with a graph from y0, the parameters and the ends to `saved` and `y_end`; `dense` carries none.

        Args:
            field: the right-hand side; what it captures beyond its parameters must not require a gradient.
            method: the scheme, a `ReversibleMethod`.
            y0: (B, *state), initial states.
            t0: start.
            t1: end.
            ends: the same as tensors, if their gradients are wanted.
            **options: those of `integrate`.

        Raises:
            OptionError: f captures tensors that require a gradient, or draws random numbers.
            OptionError: (in the backward pass) `create_graph=True`; higher derivatives need gradient="direct".
        """
        return solve_discretely(self.name, EndRecorder, field, method, y0, t0, t1, ends, options)
