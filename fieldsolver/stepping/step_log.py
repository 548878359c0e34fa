"""The accepted steps of a run, and their repetition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods import Method, Step

from .batch import Batch, finite_samples
from .control import Attempt
from .ledger import Ledger
from .status import Status


@dataclass(frozen=True, slots=True)
class StepLog:
    """Accepted steps of B samples; row n holds the n-th accepted step of each.

    Attributes:
        t: N tensors (B,) float64, where the steps start.
        dt: N tensors (B,) float64, their signed sizes; 0 for samples with fewer steps.
        t_end: (B,) float64, where each sample arrived.
        status: (B,) int64, how each sample ended.
    """

    t: list[Tensor]
    dt: list[Tensor]
    t_end: Tensor
    status: Tensor

    def __len__(self) -> int:
        return len(self.dt)


class StepRecorder:
    """Observer that writes the log."""

    def __init__(self) -> None:
        self.t: list[np.ndarray] = []
        self.dt: list[np.ndarray] = []
        self._samples = 0

    def start(self, batch: Batch, method: Method) -> None:
        """Note the size of the batch."""
        self._samples = batch.rows.size

    def after(self, attempt: Attempt, batch: Batch, ledger: Ledger) -> None:
        """Note the steps of this attempt."""
        for rows, value in ((self.t, attempt.t), (self.dt, attempt.dt)):
            full = np.zeros(self._samples)
            full[attempt.rows] = value
            rows.append(full)

    def log(self, ledger: Ledger) -> StepLog:
        """The steps moved up, so that row n is the n-th accepted step of each sample."""
        t = np.stack(self.t) if self.t else np.zeros((0, self._samples))
        dt = np.stack(self.dt) if self.dt else np.zeros((0, self._samples))
        order = np.argsort(dt == 0.0, axis=0, kind="stable")  # the steps first, in their order
        longest = int((dt != 0.0).sum(axis=0).max(initial=0))
        t, dt = (np.take_along_axis(values, order, axis=0)[:longest] for values in (t, dt))
        return StepLog(
            t=[torch.from_numpy(row.copy()) for row in t],
            dt=[torch.from_numpy(row.copy()) for row in dt],
            t_end=torch.from_numpy(ledger.t.copy()),
            status=torch.from_numpy(ledger.status.copy()),
        )


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
        self._dt = np.array([row.cpu().numpy() for row in log.dt]).reshape(len(log), samples)
        self._t = np.array([row.cpu().numpy() for row in log.t]).reshape(len(log), samples)
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

    def propose(self, rows: np.ndarray, ledger: Ledger) -> tuple[np.ndarray, np.ndarray]:
        """Row after row of the log."""
        n = self._row
        following = self._t[n + 1] if n + 1 < len(self._t) else self._t_end
        t_new = np.where(self._last == n, self._t_end, following)[rows]
        self._row += 1
        return np.where(ledger.running(rows), self._dt[n, rows], 0.0), t_new

    def judge(self, step: Step, rows: np.ndarray, dt: np.ndarray, ledger: Ledger) -> np.ndarray:
        """Keep every step that is finite; a sample ends with its last one, as it did before."""
        finite, moving = finite_samples(step.y_new, step.k[-1]), dt != 0.0
        ended = moving & (self._last[rows] == self._row - 1)
        ledger.end(rows[ended], self._status[rows[ended]])
        ledger.end(rows[moving & ~finite], Status.NON_FINITE)
        return moving & finite
