"""Checkpoints: some of the states at the starts of rows, kept going forward within a budget."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from fieldsolver.methods import Memory, Method
from fieldsolver.stepping import Attempt
from fieldsolver.stepping.batch import Batch
from fieldsolver.stepping.ledger import Ledger
from fieldsolver.stepping.random_numbers import RandomState

from .budget import Budget
from .repetition import renews
from .rows import RowStart


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The start of a row.

    Attributes:
        start: y and what the method carries.
        rows: (n,) the samples that it is the start of.
    """

    start: RowStart
    rows: np.ndarray

    @property
    def states(self) -> int:
        """How many tensors as large as a state it holds."""
        return 1 + _as_large(self.start.y, self.start.memory or ())


class CheckpointRecorder:
    """Observer that keeps some of the states, and what the method carries where that cannot be made again.

    Args:
        budget: how many.
        before: random number generators before the solve.

    Attributes:
        kept: row number -> its start; row 0 is always there.
        peak: the states that they were at most.
    """

    def __init__(self, budget: Budget, before: RandomState) -> None:
        self._budget, self._before = budget, before
        self.kept: dict[int, Checkpoint] = {}
        self.peak = self._states = self._number = 0

    def start(self, batch: Batch, method: Method) -> None:
        """Row 0 begins with y0 alone, so that y0 receives the gradient through the first derivative."""
        # The resting state is y0, with rows that are not finite replaced; those samples never move.
        self._keep(0, Checkpoint(RowStart(batch.rest.y, None, self._before if batch.random else None), batch.rows))
        self._bare = renews(method) and not batch.random
        carried = 0 if self._bare else _as_large(batch.rest.y, batch.memory)
        self._placement = self._budget.placement(batch.rest.y, 1 + carried)
        self._waiting: tuple[Tensor, Memory | None, np.ndarray] | None = None

    @property
    def slots(self) -> int:
        """How many of them may be kept at a time."""
        return self._placement.slots

    def after(self, attempt: Attempt, ledger: Ledger) -> None:
        """Keep the start of the row that is done, if it is due: the state after the last row is the start of none."""
        if self._waiting is not None:
            keep, given_up = self._placement.offer(self._number)
            for number in given_up:
                self._states -= self.kept.pop(number).states
            if keep:
                y, memory, rows = self._waiting
                self._keep(self._number, Checkpoint(RowStart(y, memory, attempt.generators), rows))
        self._number += 1
        self._waiting = attempt.y, None if self._bare else attempt.memory, attempt.rows

    def _keep(self, number: int, checkpoint: Checkpoint) -> None:
        self.kept[number] = checkpoint
        self._states += checkpoint.states
        self.peak = max(self.peak, self._states)


def _as_large(y: Tensor, memory: Memory) -> int:
    return sum(tensor.numel() >= y.numel() for tensor in memory)
