"""Checkpoints taken while the number of steps is still unknown, within a budget.

States are kept at every `stride`-th step. When the budget is full the stride doubles and every other checkpoint goes,
so N steps leave segments of at most 2 N / budget steps. Without a budget it grows with the run as 2 sqrt(N), which
balances what is stored going forward against what is stored while one segment is recomputed.

Source: Stumm, Walther, *New algorithms for optimal online checkpointing*, SIAM J. Sci. Comput. 32 (2010) 836-854
(the simplest of its strategies).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods import Memory, Method
from fieldsolver.stepping import Attempt
from fieldsolver.stepping.batch import Batch
from fieldsolver.stepping.interruption import Interruption
from fieldsolver.stepping.ledger import Ledger
from fieldsolver.stepping.random_numbers import RandomState

SMALLEST_DEFAULT_BUDGET = 8


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything needed to go on from the start of a row.

    Attributes:
        y: (B, *state), states.
        memory: what the method carries, tensors (B, ...); None at row 0, which makes it anew.
        generators: random numbers as they were; None when f draws none.
    """

    y: Tensor
    memory: Memory | None
    generators: RandomState | None

    def select(self, places: Tensor) -> Checkpoint:
        """Some of the samples."""
        memory = self.memory and tuple(tensor.index_select(0, places) for tensor in self.memory)
        return Checkpoint(self.y.index_select(0, places), memory, self.generators)


@dataclass(frozen=True, slots=True)
class Row:
    """One attempt with an accepted step, for all B samples; dt = 0 for those that rested or were rejected.

    Attributes:
        t: (B,) where the steps start.
        t_new: (B,) where they end.
        dt: (B,) their signed sizes, those of cut steps in full.
        interruption: events and jumps in these steps; None without any.
        noted: number of events that were logged before, in the order of the run.
    """

    t: np.ndarray
    t_new: np.ndarray
    dt: np.ndarray
    interruption: Interruption | None = None
    noted: int = 0

    def select(self, rows: np.ndarray) -> Row:
        """Some of the samples."""
        found = None if self.interruption is None else self.interruption.select(rows)
        return Row(self.t[rows], self.t_new[rows], self.dt[rows], found, self.noted)


class CheckpointRecorder:
    """Observer that keeps the rows and some of the states.

    Args:
        budget: largest number of checkpoints held at any time; None lets it grow as 2 sqrt(rows).
        generators: random number generators as they were before the solve.

    Attributes:
        rows: all rows so far.
        stored: row number -> state at its start; row 0 is always there.
        peak: largest number of checkpoints held at any time.

    Raises:
        OptionError: a budget below one.
    """

    def __init__(self, budget: int | None, generators: RandomState) -> None:
        if budget is not None and budget < 1:
            raise OptionError(f"checkpoints = {budget}, expected at least 1, or None for the default")
        self.rows: list[Row] = []
        self.stored: dict[int, Checkpoint] = {}
        self.peak = 0
        self._budget = budget
        self._stride = 1
        self._before = generators
        self._noted = 0

    def start(self, batch: Batch, method: Method) -> None:
        """Row 0 evaluates its first stage itself, so that y0 receives the gradient through it."""
        self.rest, self.random = batch.rest, batch.random
        self._resting_memory = batch.memory
        # The resting state is y0, with rows that are not finite replaced; those samples never move.
        self._store(0, Checkpoint(batch.rest.y, None, self._before if batch.random else None))

    def after(self, attempt: Attempt, ledger: Ledger) -> None:
        """Note the row that is done, and store the state at the start of the next one if it is due."""
        t, t_new, dt = (self._full(attempt, v) for v in (attempt.t, attempt.t_new, attempt.accepted_dt()))
        found = attempt.interruption
        if found is not None:
            found = found.among(attempt.rows, self.rest.y.shape[0])
        self.rows.append(Row(t, t_new, dt, found, self._noted))
        self._noted += 0 if found is None else found.events()
        number = len(self.rows)
        allowed = self._budget or max(SMALLEST_DEFAULT_BUDGET, 2 * isqrt(number) + 2)
        while number % self._stride == 0 and len(self.stored) >= allowed:
            self._stride *= 2
            self.stored = {row: kept for row, kept in self.stored.items() if row % self._stride == 0}
        if number % self._stride == 0:
            generators = RandomState.now(attempt.y.device) if self.random else None
            self._store(number, Checkpoint(*self._full_state(attempt), generators))

    def _store(self, number: int, checkpoint: Checkpoint) -> None:
        self.stored[number] = checkpoint
        self.peak = max(self.peak, len(self.stored))

    def _full(self, attempt: Attempt, values: np.ndarray) -> np.ndarray:
        if values.size == self.rest.y.shape[0]:
            return values
        full = np.zeros(self.rest.y.shape[0])
        full[attempt.rows] = values
        return full

    def _full_state(self, attempt: Attempt) -> tuple[Tensor, Memory]:
        """(B, ...); samples already out of the batch hold their resting state, which nothing reads."""
        if attempt.rows.size == self.rest.y.shape[0]:
            return attempt.y, attempt.memory
        places = torch.from_numpy(attempt.rows).to(attempt.y.device)
        memory = zip(self._resting_memory, attempt.memory, strict=False)
        return self.rest.y.index_copy(0, places, attempt.y), tuple(
            resting.index_copy(0, places, carried) for resting, carried in memory
        )
