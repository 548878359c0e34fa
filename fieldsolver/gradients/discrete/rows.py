"""The accepted steps of a run as its backward pass repeats them: numbers on the host, no states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from fieldsolver.methods import Memory, Method
from fieldsolver.stepping import Attempt
from fieldsolver.stepping.batch import Batch
from fieldsolver.stepping.interruption import Interruption
from fieldsolver.stepping.ledger import Ledger
from fieldsolver.stepping.random_numbers import RandomState

ROUNDING = 4.0 * np.finfo(np.float64).eps
"""Relative distance between t + dt and the time at which a step was meant to end."""


@dataclass(frozen=True, slots=True)
class Row:
    """One attempt with an accepted step, for the n samples that were in the batch; dt = 0 for those that did not move.

    Attributes:
        rows: (n,) their places in the full batch.
        t: (n,) where the steps start.
        t_new: (n,) where they end.
        dt: (n,) their signed sizes, those of cut steps in full.
        rate_t: (n,) where the derivative at the start was evaluated: with rounding, t is not always t + dt of the step
            before.
        interruption: events and jumps in these steps; None without any.
        noted: number of events that were logged before, in the order of the run.
        late: whether t may depend on something that gradients are wanted for: t0, or what an event depends on.
    """

    rows: np.ndarray
    t: np.ndarray
    t_new: np.ndarray
    dt: np.ndarray
    rate_t: np.ndarray
    interruption: Interruption | None
    noted: int
    late: bool

    def events(self) -> int:
        """How many events happen in it."""
        return 0 if self.interruption is None else self.interruption.events()

    def arriving(self, t1: float) -> np.ndarray:
        """(n,) booleans: the steps that lead to t1, unless an event cuts them."""
        if self.interruption is None:
            return self.t_new == t1
        cut = self.interruption.which & (self.interruption.theta < 1.0)
        end, slack = self.t + self.dt, ROUNDING * np.maximum(np.abs(self.t), abs(t1))
        return np.where(cut, np.abs(end - t1) <= slack, self.t_new == t1) & (self.dt != 0.0)


@dataclass(frozen=True, slots=True)
class RowStart:
    """What a row starts from.

    Attributes:
        y: (n, *state), states.
        memory: what the method carries, tensors (n, ...); None: nothing, the row begins with a derivative of its own.
        generators: random numbers as they were; None when f draws none.
    """

    y: Tensor
    memory: Memory | None
    generators: RandomState | None = None

    def select(self, places: Tensor) -> RowStart:
        """Some of the samples."""
        memory = self.memory and tuple(tensor.index_select(0, places) for tensor in self.memory)
        return RowStart(self.y.index_select(0, places), memory, self.generators)


class RowRecorder:
    """Observer that writes the rows.

    Args:
        late: whether gradients are wanted for t0.

    Attributes:
        rows: all rows so far.
        rest: where samples wait, (B, *state).
        random: whether f draws random numbers.
        method: the scheme.
    """

    def __init__(self, *, late: bool = False) -> None:
        self.rows: list[Row] = []
        self._late = late
        self._noted = 0

    def start(self, batch: Batch, method: Method) -> None:
        """Note where everything begins."""
        self.rest, self.random, self.method = batch.rest, batch.random, method
        self._places = batch.rows
        self._rate_t = np.full(batch.rows.size, float(batch.rest.t))
        self._waiting = np.full(batch.rows.size, self._late)  # whose time of start may depend on something

    @property
    def samples(self) -> int:
        """B."""
        return self.rest.y.shape[0]

    def after(self, attempt: Attempt, ledger: Ledger) -> None:
        """Note the row that is done."""
        if attempt.rows.size < self._places.size:
            kept = np.searchsorted(self._places, attempt.rows)
            self._places, self._rate_t, self._waiting = attempt.rows, self._rate_t[kept], self._waiting[kept]
        dt, found = attempt.accepted_dt(), attempt.interruption
        if found is not None:
            found = found.among(attempt.rows, attempt.rows.size)
        moved = dt != 0.0
        rate_t = self._rate_t if self.method.fsal else attempt.t
        late = self._late and bool(self._waiting.any())
        self.rows.append(Row(attempt.rows, attempt.t, attempt.t_new, dt, rate_t, found, self._noted, late))
        self._rate_t = np.where(moved, attempt.t + dt, self._rate_t)
        if self._late:
            self._waiting = self._waiting & ~moved
        if found is not None:
            self._noted += found.events()
            self._rate_t = np.where(found.which, found.t_next, self._rate_t)
            self._waiting, self._late = self._waiting | (found.direction != 0).any(axis=1), True
