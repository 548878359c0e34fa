"""One segment of a checkpointed solve, differentiated backward row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fieldsolver.methods import Memory, Method
from fieldsolver.stepping import Attempt, VectorField
from fieldsolver.stepping.batch import Batch, Rest
from fieldsolver.stepping.events import EventFunction, EventRecorder
from fieldsolver.stepping.interruption import go_on
from fieldsolver.stepping.random_numbers import RandomState
from fieldsolver.stepping.saving import interpolate_at

from .checkpoints import Checkpoint, Row


@dataclass(frozen=True, slots=True)
class Adjoint:
    """Gradient of the loss with respect to what one row hands to the next; None is zero.

    Attributes:
        y: (n, *state).
        memory: of each tensor that the method carries.
    """

    y: Tensor | None
    memory: tuple[Tensor | None, ...] = ()

    @property
    def zero(self) -> bool:
        """Whether nothing arrives."""
        return self.y is None and all(part is None for part in self.memory)


@dataclass(frozen=True, slots=True)
class Saved:
    """The save points inside one row, and the gradient that arrives there.

    Attributes:
        times: (P,) float64.
        sample: (P,) places of the samples in the segment.
        gradient: (P, *state).
    """

    times: np.ndarray
    sample: np.ndarray
    gradient: Tensor


EventGradients = tuple[Tensor | None, Tensor | None, Tensor | None]
"""Of the times (K,), the states before and the states after (K, *state) of K logged events; None is zero."""


class Segment:
    """Rows between two checkpoints, for the n samples that move in them.

    Args:
        field: the right-hand side; its parameters are leaves, those in `wanted` require a gradient.
        method: the scheme.
        rest: where samples wait, (n, *state).
        rows: the rows, each (n,).
        first: the state at the start of the first row, (n, *state).
        wanted: places of the parameters whose gradients are needed.
        events: what was looked for.
    """

    def __init__(
        self, field: VectorField, method: Method, rest: Rest, rows: list[Row], first: Checkpoint, wanted: list[int],
        events: Sequence[EventFunction] = (),
    ) -> None:  # fmt: skip
        self.field, self.method, self.rest, self.rows, self.events = field, method, rest, rows, events
        self.leaves = [field.parameters[i] for i in wanted]
        self.states = self._recompute(first)

    def _recompute(self, state: Checkpoint) -> list[Checkpoint]:
        """The states at the start of every row, without a graph."""
        states = [state]
        if state.generators is not None:
            state.generators.restore()
        with torch.no_grad():
            for row in self.rows[:-1]:
                batch, *_ = self._step(row, states[-1].y, states[-1].memory)
                generators = None if state.generators is None else RandomState.now(batch.y.device)
                states.append(Checkpoint(batch.y, batch.memory, generators))
        return states

    def pull_back(
        self, number: int, adjoint: Adjoint, saved: Saved | None, logged: EventGradients | None = None
    ) -> tuple[Adjoint, tuple[Tensor | None, ...]]:
        """Adjoint at the start of a row from that at its end, and the row's share of the parameter gradients."""
        if adjoint.zero and saved is None and logged is None:
            return adjoint, (None,) * len(self.leaves)
        inputs, outputs = self._graph(number, adjoint, saved, logged)
        reached = [(out, grad) for out, grad in outputs if grad is not None and out is not None and out.requires_grad]
        if not reached:
            return Adjoint(None), (None,) * len(self.leaves)
        values, cotangents = zip(*reached, strict=True)
        wanted = [x for x in inputs if x.requires_grad]
        gradients = torch.autograd.grad(values, [*wanted, *self.leaves], cotangents, allow_unused=True)
        found = iter(gradients[: len(wanted)])
        y, *memory = (next(found) if x.requires_grad else None for x in inputs)
        return Adjoint(y, tuple(memory)), gradients[len(wanted) :]

    def _graph(
        self, number: int, adjoint: Adjoint, saved: Saved | None, logged: EventGradients | None
    ) -> tuple[list[Tensor], list[tuple[Tensor | None, Tensor | None]]]:
        """One row with its graph: its inputs (y and the memory), and its outputs with their cotangents."""
        row, state = self.rows[number], self.states[number]
        if state.generators is not None:
            state.generators.restore()
        with torch.enable_grad():
            y = state.y.detach().requires_grad_()
            memory = state.memory and tuple(_leaf(tensor) for tensor in state.memory)
            batch, attempt, recorder = self._step(row, y, memory)
            outputs: list[tuple[Tensor | None, Tensor | None]]
            outputs = [(batch.y, adjoint.y), *zip(batch.memory, adjoint.memory, strict=False)]
            if logged is not None:
                outputs.extend(zip(recorder.noted(), logged, strict=True))
            if saved is not None:
                outputs.append((interpolate_at(self.method, attempt, saved.times, saved.sample), saved.gradient))
        return [y, *(memory or ())], outputs

    def _step(self, row: Row, y: Tensor, memory: Memory | None) -> tuple[Batch, Attempt, EventRecorder]:
        """Repeat the steps and the events of one row."""
        if memory is None:
            # Row 0. Made for everyone: a sample whose first attempt was rejected uses it in a later row.
            t0 = torch.full((y.shape[0],), float(self.rest.t), dtype=torch.float64, device=y.device)
            memory = self.method.start(self.field, t0, y, self.field(t0, y))
        batch = Batch(self.field, np.arange(y.shape[0]), row.t, y, memory, self.rest, np)
        batch.stop(row.dt == 0.0)
        step = batch.attempt(self.method, row.dt, estimate=False)
        attempt = Attempt(batch.rows, row.t, row.t_new, row.dt, row.dt != 0.0, None, step, y, (), self.field)
        attempt.interruption, recorder = row.interruption, EventRecorder([event.name for event in self.events], y)
        batch.advance(step, row.dt != 0.0, row.t_new)
        if row.interruption is not None:
            go_on(batch, self.method, row.interruption.repeated(self.events, self.method, attempt, recorder))
        return batch, attempt, recorder


def _leaf(tensor: Tensor) -> Tensor:
    """Where a gradient may end; integers and the like carry none."""
    return tensor.detach().requires_grad_(tensor.is_floating_point() or tensor.is_complex())
