"""One segment of a checkpointed solve, differentiated backward row by row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fieldsolver.methods import Method, Step
from fieldsolver.stepping import Attempt, VectorField
from fieldsolver.stepping.batch import Batch, Rest
from fieldsolver.stepping.random_numbers import RandomState
from fieldsolver.stepping.saving import interpolate_at

from .checkpoints import Checkpoint, Row


@dataclass(frozen=True, slots=True)
class Adjoint:
    """Gradient of the loss with respect to what one row hands to the next; None is zero.

    Attributes:
        y: (n, *state).
        k1: (n, *state), for FSAL methods.
    """

    y: Tensor | None
    k1: Tensor | None


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


class Segment:
    """Rows between two checkpoints, for the n samples that move in them.

    Args:
        field: the right-hand side; its parameters are leaves, those in `wanted` require a gradient.
        method: the scheme.
        rest: where samples wait, (n, *state).
        rows: the rows, each (n,).
        first: the state at the start of the first row, (n, *state).
        wanted: places of the parameters whose gradients are needed.
    """

    def __init__(
        self, field: VectorField, method: Method, rest: Rest, rows: list[Row], first: Checkpoint, wanted: list[int]
    ) -> None:
        self.field, self.method, self.rest, self.rows = field, method, rest, rows
        self.leaves = [field.parameters[i] for i in wanted]
        self.states = self._recompute(first)

    def _recompute(self, state: Checkpoint) -> list[Checkpoint]:
        """The states at the start of every row, without a graph."""
        states = [state]
        if state.generators is not None:
            state.generators.restore()
        with torch.no_grad():
            for row in self.rows[:-1]:
                batch, _ = self._step(row, states[-1].y, states[-1].k1)
                generators = None if state.generators is None else RandomState.now(batch.y.device)
                states.append(Checkpoint(batch.y, batch.k1, generators))
        return states

    def pull_back(
        self, number: int, adjoint: Adjoint, saved: Saved | None
    ) -> tuple[Adjoint, tuple[Tensor | None, ...]]:
        """Adjoint at the start of a row from that at its end, and the row's share of the parameter gradients."""
        if adjoint.y is None and adjoint.k1 is None and saved is None:
            return adjoint, (None,) * len(self.leaves)
        inputs, outputs = self._graph(number, adjoint, saved)
        reached = [(out, grad) for out, grad in outputs if grad is not None and out is not None and out.requires_grad]
        if not reached:
            return Adjoint(None, None), (None,) * len(self.leaves)
        values, cotangents = zip(*reached, strict=True)
        gradients = torch.autograd.grad(values, [*inputs, *self.leaves], cotangents, allow_unused=True)
        split = len(inputs)
        return Adjoint(gradients[0], gradients[1] if split == 2 else None), gradients[split:]

    def _graph(
        self, number: int, adjoint: Adjoint, saved: Saved | None
    ) -> tuple[list[Tensor], list[tuple[Tensor | None, Tensor | None]]]:
        """One row with its graph: its inputs (y, and k1 if it is given), and its outputs with their cotangents."""
        row, state = self.rows[number], self.states[number]
        if state.generators is not None:
            state.generators.restore()
        with torch.enable_grad():
            y = state.y.detach().requires_grad_()
            k1 = None if state.k1 is None else state.k1.detach().requires_grad_()
            batch, step = self._step(row, y, k1)
            outputs = [(batch.y, adjoint.y), (batch.k1, adjoint.k1)]
            if saved is not None:
                attempt = Attempt(batch.rows, row.t, row.t_new, row.dt, row.dt != 0.0, step, self.field)
                outputs.append((interpolate_at(self.method, attempt, saved.times, saved.sample), saved.gradient))
        return [y] if k1 is None else [y, k1], outputs

    def _step(self, row: Row, y: Tensor, k1: Tensor | None) -> tuple[Batch, Step]:
        """Repeat the steps of one row."""
        if k1 is None and self.method.fsal:
            # Row 0. Evaluated for everyone: a sample whose first attempt was rejected uses it in a later row.
            k1 = self.field(torch.full((y.shape[0],), self.rest.t, dtype=torch.float64, device=y.device), y)
        batch = Batch(self.field, np.arange(y.shape[0]), y, k1, self.rest, random=False)
        step = batch.attempt(self.method, row.t, row.dt, estimate=False)
        batch.advance(step, row.dt != 0.0, fsal=self.method.fsal)
        return batch, step
