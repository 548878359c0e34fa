"""The accepted steps of a run, and their repetition."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods import Method, Step

from .arithmetic import Array
from .batch import Batch, all_finite, finite_samples
from .control import Attempt
from .interruption_log import InterruptionLog, InterruptionRecorder
from .ledger import Ledger
from .status import Status

Values = np.ndarray | Tensor
"""(B,) float64 on the host."""


class StepLog:
    """Accepted steps of B samples; row n holds the n-th accepted step of each.

    Args:
        t: arrays (B,), where the steps of one attempt start.
        dt: arrays (B,), their signed sizes; 0 for samples that made none.
        t_end: (B,) float64, where each sample arrived.
        status: (B,) int64, how each sample ended.
        aligned: whether the rows are those of the log; otherwise they are attempts, and are moved up when first asked.
        interruptions: events and jumps, and the steps in which they lie; None without any.
        method: name of the method that made the steps; None if it is not known.
    """

    def __init__(
        self, t: Sequence[Values], dt: Sequence[Values], t_end: Tensor, status: Tensor, *, aligned: bool = True,
        interruptions: InterruptionLog | None = None, method: str | None = None,
    ) -> None:  # fmt: skip
        self._attempts = _stacked(t, t_end.numel()), _stacked(dt, t_end.numel())
        self._aligned = aligned
        self.t_end, self.status = t_end, status
        self.interruptions = interruptions
        self.method = method

    @property
    def t(self) -> list[Tensor]:
        """N tensors (B,) float64, where the steps start."""
        return [torch.from_numpy(row.copy()) for row in self.rows[0]]

    @property
    def dt(self) -> list[Tensor]:
        """N tensors (B,) float64, their signed sizes; 0 for samples with fewer steps."""
        return [torch.from_numpy(row.copy()) for row in self.rows[1]]

    @cached_property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """(N, B) each: the steps moved up, so that row n is the n-th accepted step of each sample."""
        t, dt = self._attempts
        if self._aligned or (dt != 0.0).all():
            return t, dt
        order = np.argsort(dt == 0.0, axis=0, kind="stable")  # the steps first, in their order
        longest = int((dt != 0.0).sum(axis=0).max(initial=0))
        t, dt = (np.take_along_axis(values, order, axis=0)[:longest] for values in (t, dt))
        return t, dt

    def __len__(self) -> int:
        return len(self.rows[1])

    def extreme_sizes(self) -> tuple[np.ndarray, np.ndarray]:
        """Sizes (B,) of the smallest and of the largest step of each sample; NaN without any."""
        size = np.abs(self._attempts[1])
        largest = size.max(axis=0, initial=0.0)
        size[size == 0.0] = np.inf
        stepped = largest > 0.0
        return np.where(stepped, size.min(axis=0, initial=np.inf), np.nan), np.where(stepped, largest, np.nan)


def _stacked(rows: Sequence[Values], samples: int) -> np.ndarray:
    return np.stack([np.asarray(row) for row in rows]) if len(rows) else np.zeros((0, samples))


class StepRecorder:
    """Observer that writes the log."""

    CHANGING = ("t", "dt", "_interruptions")

    def __init__(self) -> None:
        self.t: list[np.ndarray] = []
        self.dt: list[np.ndarray] = []
        self._samples = 0
        self._interruptions = InterruptionRecorder()

    def start(self, batch: Batch, method: Method) -> None:
        """Note the size of the batch, and the method."""
        self._samples, self._method = batch.rows.size, method.name

    def after(self, attempt: Attempt, ledger: Ledger) -> None:
        """Note the steps of this attempt."""
        for rows, value in ((self.t, attempt.t), (self.dt, attempt.accepted_dt())):
            if value.size < self._samples:
                full = np.zeros(self._samples)
                full[attempt.rows] = value
                value = full
            rows.append(value)
        self._interruptions.after(attempt, ledger)

    def log(self, ledger: Ledger) -> StepLog:
        """What was noted, and how it ended."""
        end, status = torch.from_numpy(ledger.t.copy()), torch.from_numpy(ledger.status.copy())
        found = self._interruptions.log()
        return StepLog(self.t, self.dt, end, status, aligned=False, interruptions=found, method=self._method)


class ReplayedSteps:
    """Control that repeats a log: the same steps, no error control, the same outcome.

    Args:
        log: the steps of an earlier run with the same number of samples.
        samples: B.
        t0: start.
        t1: end.

    Raises:
        OptionError: the log belongs to another number of samples or another time span.
    """

    estimate = False

    def __init__(self, log: StepLog, samples: int, t0: float, t1: float) -> None:
        if log.t_end.shape != (samples,):
            raise OptionError(f"replay has {log.t_end.numel()} samples, y0 has {samples}; pass the log of this batch")
        self._t, self._dt = log.rows
        self._t_end = log.t_end.cpu().numpy()
        self._status = log.status.cpu().numpy()
        self._row = 0
        first = self._t[0][self._dt[0] != 0.0] if len(log) else np.empty(0)
        if (first != t0).any() or (self._t_end[self._status == Status.SUCCESS] != t1).any():
            raise OptionError(f"replay belongs to another time span than ({t0}, {t1}); pass the log of this span")
        numbers = np.arange(1, len(log) + 1)[:, None]
        self._last = (numbers * (self._dt != 0.0)).max(axis=0, initial=0) - 1  # last row of each sample, -1 without any

    def start(self, batch: Batch, k1: Tensor, ledger: Ledger) -> None:
        """Samples without any step end at once."""
        idle = (self._last < 0) & ledger.running(batch.rows)
        ledger.end(np.flatnonzero(idle), self._status[idle])
        batch.stop(batch.array(idle))

    def propose(self, batch: Batch) -> tuple[Array, Array]:
        """Row after row of the log."""
        n, rows = self._row, batch.rows
        if n >= len(self._t):  # the rest of a chunk on a device
            return batch.xp.zeros_like(batch.t), batch.t
        following = self._t[n + 1] if n + 1 < len(self._t) else self._t_end
        t_new = np.where(self._last == n, self._t_end, following)[rows]
        self._row += 1
        return batch.xp.where(batch.running, batch.array(self._dt[n, rows]), 0.0), batch.array(t_new)

    def judge(self, step: Step, batch: Batch, dt: Array) -> tuple[Array, Array | None]:
        """Keep every step that is finite; a sample ends with its last one, as it did before."""
        xp, rows = batch.xp, batch.rows
        finite = finite_samples(step.y_new, *step.k[-1:]) if xp is np else all_finite(step.y_new, *step.k[-1:])
        moving = dt != 0.0
        last = self._last[rows] == self._row - 1
        if xp is np and finite.all() and not last.any():
            return moving, None
        ended = xp.where(batch.array(last), batch.array(self._status[rows]), 0)
        return moving & finite, xp.where(moving, xp.where(finite, ended, int(Status.NON_FINITE)), 0)

    def arrived(self, batch: Batch, accepted: Array, t_new: Array) -> None:
        """The log knows."""

    def restart(self, which: Array, largest: Array | None = None) -> None:
        """The log knows."""

    def compact(self, places: np.ndarray) -> None:
        """Rows are looked up by the places in the full batch."""
