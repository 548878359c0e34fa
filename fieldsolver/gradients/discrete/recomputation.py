"""States at the starts of rows from checkpoints: steps are made again, and states kept on the way where that pays."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fieldsolver.stepping import BackwardStatistics
from fieldsolver.stepping.random_numbers import RandomState

from .binomial import next_kept
from .checkpoints import Checkpoint, CheckpointRecorder
from .repetition import Repetition
from .rows import RowStart


class Recomputation:
    """The optimal continuation of what the forward pass has kept (`binomial`): slots that become free are used again.

    Where states had to be given up, checkpoints are let go as the backward pass comes by; another pass over the same
    graph begins from y0.

    Args:
        repetition: makes the steps.
        checkpoints: of the forward pass.

    Attributes:
        peak: the states held at most.
    """

    def __init__(self, repetition: Repetition, checkpoints: CheckpointRecorder) -> None:
        self._repetition = repetition
        whole = len(checkpoints.kept) == len(repetition.record.rows)
        self._kept = dict(checkpoints.kept) if whole else checkpoints.kept
        self._slots, self.peak = checkpoints.slots, checkpoints.peak

    def before(self, number: int) -> RowStart:
        """The start of this row."""
        while (last := max(self._kept)) > number:
            del self._kept[last]
        if last < number:
            return self._advance(last, number)
        found = self._kept[number] if number == 0 else self._kept.pop(number)
        return self._of_row(number, found.start, found.rows)

    def report(self, statistics: BackwardStatistics, grad_y0: Tensor | None) -> None:
        """Nothing besides `peak`."""

    def _advance(self, at: int, number: int) -> RowStart:
        """From a checkpoint to the start of a row, without a graph."""
        repetition, found = self._repetition, self._kept[at]
        bare, following = repetition.renews, self._next_kept(at, number)
        start = self._of_row(at, found.start, found.rows)
        with torch.no_grad():
            memory = repetition.begin(at, start)
            while at < number:
                # The next row begins anew; but where the dense output is read, it needs the derivative at the end.
                last_rate = not repetition.can_omit or at + 1 < number or repetition.record.rows[at].events() > 0
                made = repetition.repeat(at, start.y, memory, last_rate=last_rate).batch
                at += 1
                generators = RandomState.now(made.y.device) if repetition.record.random else None
                start = self._of_row(at, RowStart(made.y, made.memory, generators), made.rows)
                memory = start.memory or ()
                if bare:
                    start = RowStart(start.y, None)
                if at == following < number:
                    self._keep(at, start)
                    following = self._next_kept(at, number)
        return start

    def _next_kept(self, at: int, number: int) -> int:
        """Where to keep the next state between a checkpoint and a row."""
        steps, free = number - at + 1, self._slots - len(self._kept)
        return at + next_kept(steps, free + 1) if free > 0 else number

    def _keep(self, number: int, start: RowStart) -> None:
        self._kept[number] = Checkpoint(start, self._repetition.record.rows[number].rows)
        self.peak = max(self.peak, sum(checkpoint.states for checkpoint in self._kept.values()))

    def _of_row(self, number: int, start: RowStart, rows: np.ndarray) -> RowStart:
        """For those samples that are in the row: others may have been taken out before it."""
        own = self._repetition.record.rows[number].rows
        if own.size == rows.size:
            return start
        return start.select(torch.from_numpy(np.searchsorted(rows, own)).to(start.y.device))
