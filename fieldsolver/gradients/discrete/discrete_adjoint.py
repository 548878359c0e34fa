"""A solve whose backward pass differentiates the steps that were made, as one function of autograd.

What varies is how the states at the starts of the steps are known again: a `Remembrance` says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from fieldsolver.gradients.none import without_gradient
from fieldsolver.gradients.probe import is_transformed, refuse_captured_gradients
from fieldsolver.gradients.solve_function import Inputs, SolveFunction
from fieldsolver.methods import Method
from fieldsolver.stepping import BackwardStatistics, Ends, Trajectory, VectorField, integrate
from fieldsolver.stepping.control import Observer
from fieldsolver.stepping.save_times import SaveTimes
from fieldsolver.stepping.vector_field import unselectable

from .repetition import Repetition
from .rows import RowRecorder
from .states import StateSource
from .sweep import Sweep


class Recollection(StateSource, Protocol):
    """The states of a run during one backward pass."""

    def report(self, statistics: BackwardStatistics, grad_y0: Tensor | None) -> None:
        """Add what that pass has shown, which led to this gradient of y0 (B, *state); None is zero."""
        ...


class Remembrance(Observer, Protocol):
    """Sees a run go by, and keeps what its states can be found again from.

    Attributes:
        holds_end: whether the last states are among what it keeps.
    """

    holds_end: bool

    def source(self, repetition: Repetition) -> Recollection:
        """Leaves what is kept for the next pass over the same graph."""
        ...


def solve_discretely(
    name: str, remembering: Callable[[], Remembrance], field: VectorField, method: Method, y0: Tensor, t0: float,
    t1: float, ends: Ends | None, options: Mapping[str, Any],
) -> Trajectory:  # fmt: skip
    """Integrate with a graph from y0, the parameters and the ends to `saved` and `y_end`; `dense` carries none.

    Args:
        name: of the mode.
        remembering: makes what knows the states of this run again.
        field: the right-hand side; what it captures beyond its parameters must not require a gradient.
        method: the scheme.
        y0: (B, *state), initial states.
        t0: start.
        t1: end.
        ends: the same as tensors, if their gradients are wanted.
        options: those of `integrate`.

    Raises:
        OptionError: f captures tensors that require a gradient.
        OptionError: (in the backward pass) `create_graph=True`; higher derivatives need gradient="direct".
    """
    events = options.get("events", ())
    refuse_captured_gradients(field, t0, y0, name, events)
    field = unselectable(field) if any(not event.selectable for event in events) else field
    inputs = (y0, *(ends or (None, None)), *field.parameters)
    asked = torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in inputs)
    if not (asked or is_transformed(field, t0, y0, ends)):
        return without_gradient(field, method, y0, t0, t1, **options)
    passes = _Discrete(name, remembering(), field, method, float(t0), float(t1), options, late=ends is not None)
    saved, y_end, *logged = SolveFunction.apply(passes, *inputs)
    found = passes.found.pop()
    happened = found.events and found.events.with_values(*logged)
    return replace(found, saved=saved, y_end=y_end, events=happened, backward=passes.statistics)


@dataclass
class _Discrete:
    """(y0, t0, t1, parameters) -> (saved, y_end), and times, states before and states after of the logged events.

    Attributes:
        late: whether the start may have a gradient.
        found: hands the result out of the forward pass.
    """

    name: str
    remembrance: Remembrance
    field: VectorField
    method: Method
    t0: float
    t1: float
    options: Mapping[str, Any]
    late: bool
    statistics: BackwardStatistics = dataclass_field(default_factory=BackwardStatistics)
    found: list[Trajectory] = dataclass_field(default_factory=list)

    def forward(self, y0: Tensor, t0: Tensor | None, t1: Tensor | None, *parameters: Tensor) -> tuple[Tensor, ...]:
        """The solve, watched by those who know its steps and states again."""
        self.record = RowRecorder(late=self.late)
        options = {
            **self.options, "observers": (*self.options.get("observers", ()), self.record, self.remembrance)
        }  # fmt: skip
        with torch.no_grad():
            trajectory = integrate(self.field.with_parameters(parameters), self.method, y0, self.t0, self.t1, **options)
        self.found.append(trajectory)
        # New tensors: the outputs refer to this object, which must not refer to them, or nothing is freed; and nobody
        # who writes into them may write into what is kept.
        happened, y_end = trajectory.events, trajectory.y_end
        y_end = y_end.clone() if y_end is y0 or self.remembrance.holds_end else y_end.detach()
        if happened is None:
            return trajectory.saved.detach(), y_end
        self.noted = happened.noted
        logged = (happened.t, happened.y_before, happened.y_after)
        return trajectory.saved.detach(), y_end, *(values.clone() for values in logged)

    def saves(self, inputs: Inputs, outputs: tuple[Tensor, ...]) -> Inputs:
        """The start and the parameters."""
        return inputs[0], *inputs[3:]

    def backward(self, saved: Inputs, gradients: Inputs, needed: tuple[bool, ...]) -> Inputs:
        """The steps, from the last one to the first."""
        _, *parameters = saved
        _, t0_needed, t1_needed, *wanted = needed
        field = self.field.with_parameters(tuple(p for p in parameters if p is not None))
        repetition = Repetition(field, self.method, self.record, self.t1, wanted, self.options.get("events", ()))
        source = self.remembrance.source(repetition)
        save_times = SaveTimes.checked(self.options.get("save_at"), self.t0, self.t1)
        grad_saved, grad_end, *logged = gradients
        t, before, after = (_as_noted(self.noted, g) for g in logged) if logged else (None, None, None)
        found = Sweep(repetition, source, save_times, ends_wanted=t1_needed).run(
            grad_end, grad_saved, (t, before, after)
        )
        self.statistics.nfev += repetition.nfev
        self.statistics.peak_states = max(self.statistics.peak_states, source.peak)
        source.report(self.statistics, found.y0)
        return found.y0, found.t0 if t0_needed else None, found.t1, *found.parameters


def _as_noted(noted: np.ndarray, gradient: Tensor | None) -> Tensor | None:
    """Gradients of sorted events in the order in which the run noted them."""
    if gradient is None:
        return None
    return torch.zeros_like(gradient).index_copy(0, torch.from_numpy(noted).to(gradient.device), gradient)
