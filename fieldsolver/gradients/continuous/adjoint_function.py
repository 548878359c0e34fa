"""A solve whose backward pass is a differential equation of its own, as one function of autograd."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError, listing
from fieldsolver.gradients.none import without_gradient
from fieldsolver.gradients.probe import is_transformed, refuse_captured_gradients
from fieldsolver.gradients.solve_function import Inputs, SolveFunction
from fieldsolver.methods import METHODS, Method
from fieldsolver.stepping import Attempt, BackwardStatistics, Ends, Trajectory, VectorField
from fieldsolver.stepping.batch import Batch
from fieldsolver.stepping.ledger import Ledger

from .adjoint_sweep import AdjointSweep, Backward, Solved


def check_continuous(name: str, method: Method, equation: FieldEquation | None) -> None:
    """Refuse what has no continuous adjoint here.

    Args:
        name: of the mode.
        method: the scheme.
        equation: the declared equation, or None.

    Raises:
        OptionError: the method has no dense output, or the equation has events.
    """
    if method.interpolant_order is None:
        able = [other.name for other in METHODS.values() if other.interpolant_order is not None]
        raise OptionError(
            f"gradient={name!r} integrates between steps, and {method.name} has no dense output; take one of "
            f"{listing(able)}, or gradient='checkpointed'"
        )
    if equation is not None and equation.events:
        _refuse_events(name)


def solve_with_adjoint(
    name: str, backward: Backward, field: VectorField, method: Method, y0: Tensor, t0: float, t1: float,
    ends: Ends | None, options: Mapping[str, Any],
) -> Trajectory:  # fmt: skip
    """Integrate with a graph from y0, the parameters and the ends to `saved` and `y_end`; `dense` carries none.

    Args:
        name: of the mode.
        backward: how the solution is known in the backward pass.
        field: the right-hand side; what it captures beyond its parameters must not require a gradient.
        method: the scheme.
        y0: (B, *state), initial states.
        t0: start.
        t1: end.
        ends: the same as tensors, if their gradients are wanted.
        options: those of `integrate`.

    Raises:
        OptionError: there are events, samples end at rest, f captures tensors that require a gradient, or f draws
            random numbers.
    """
    if options.get("events"):
        _refuse_events(name)
    if options.get("replay") is not None and method.error_order is None:
        raise OptionError(
            f"gradient={name!r} chooses the steps of its backward pass, and {method.name} has no error estimate; give "
            "dt= instead of replay, or use gradient='checkpointed'"
        )
    refuse_captured_gradients(field, t0, y0, name)
    inputs = (y0, *(ends or (None, None)), *field.parameters)
    asked = torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in inputs)
    if not (asked or is_transformed(field, t0, y0, ends)):
        return without_gradient(field, method, y0, t0, t1, **options)
    if options.get("until") is not None:
        raise OptionError(
            f"gradient={name!r} integrates back from the end of the span, and with until= samples end before, at rest; "
            "use gradient='implicit' or 'checkpointed'"
        )
    passes = _Adjoint(name, backward, field, method, float(t0), float(t1), options)
    saved, y_end = SolveFunction.apply(passes, *inputs)
    return replace(passes.found.pop(), saved=saved, y_end=y_end, backward=passes.statistics)


def _refuse_events(name: str) -> None:
    raise OptionError(
        f"gradient={name!r} knows no events, whose jumps have no continuous adjoint here; use gradient='checkpointed' "
        "or 'direct'"
    )


@dataclass
class _Adjoint:
    """(y0, t0, t1, parameters) -> (saved, y_end), and back.

    Attributes:
        found: hands the result out of the forward pass.
        ended: (status, t_end) of the samples.
    """

    name: str
    going_back: Backward
    field: VectorField
    method: Method
    t0: float
    t1: float
    options: Mapping[str, Any]
    statistics: BackwardStatistics = dataclass_field(default_factory=BackwardStatistics)
    found: list[Trajectory] = dataclass_field(default_factory=list)

    def forward(self, y0: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        """The solve, watched by those who keep what the way back needs."""
        observers = (*self.options.get("observers", ()), _NoDice(self.name), *self.going_back.observers)
        options = {**self.options, "observers": observers}
        field = self.field.with_parameters(others[2:])
        trajectory = without_gradient(field, self.method, y0, self.t0, self.t1, **options)
        self.found.append(trajectory)
        self.ended = trajectory.status, trajectory.t_end
        return trajectory.saved.detach(), trajectory.y_end.clone()

    def saves(self, inputs: Inputs, outputs: tuple[Tensor, ...]) -> Inputs:
        """All but the ends, which are numbers to us."""
        return inputs[0], *outputs, *inputs[3:]

    def backward(self, saved: Inputs, gradients: Inputs, needed: tuple[bool, ...]) -> Inputs:
        """The adjoint equation."""
        y0, at_times, y_end, *parameters = (x.detach() for x in saved if x is not None)
        sweep = AdjointSweep(
            self.name, self.going_back, self.field.with_parameters(tuple(parameters)), self.method,
            Solved(y0, at_times, y_end, *self.ended), (self.t0, self.t1), self.options, self.statistics,
        )  # fmt: skip
        _, t0_needed, t1_needed, *others = needed
        wanted = [i for i, need in enumerate(others) if need]
        grad_saved, grad_end = gradients
        grad_y0, found, ends = sweep.run(grad_saved, grad_end, wanted, (t0_needed, t1_needed))
        self.going_back.conclude(self.statistics)
        shares = dict(zip(wanted, found, strict=True))
        return grad_y0, *ends, *(shares.get(i) for i in range(len(parameters)))


class _NoDice:
    """Observer that refuses random numbers: the backward pass would draw others."""

    def __init__(self, name: str) -> None:
        self._name = name

    def start(self, batch: Batch, method: Method) -> None:
        """Known once f was evaluated."""
        if batch.random:
            raise OptionError(
                f"f draws random numbers (dropout in training mode?), and gradient={self._name!r} evaluates f at other "
                "times than the solve did; call .eval() on the module, or use gradient='checkpointed'"
            )

    def after(self, attempt: Attempt, ledger: Ledger) -> None:
        """Nothing to see."""
