"""Steps of one fixed size, the last one shortened to land on t1."""

from __future__ import annotations

from math import ceil

import numpy as np
from torch import Tensor

from fieldsolver.methods import Step

from .batch import Batch, finite_samples
from .ledger import Ledger
from .status import Status


def count_steps(t0: float, t1: float, dt: float) -> int:
    """Steps of size dt > 0 from t0 to t1; a quotient within round-off of an integer is that integer."""
    quotient = abs(t1 - t0) / dt
    nearest = round(quotient)
    slack = 1e-12 * quotient + 4.0 * np.spacing(max(abs(t0), abs(t1))) / dt
    return max(1, nearest if abs(quotient - nearest) <= slack else ceil(quotient))


class FixedSteps:
    """t_n = t0 + n dt, by multiplication: no round-off accumulates in the time.

    Args:
        t0: start.
        t1: end.
        dt: positive size of the steps.
    """

    estimate = False

    def __init__(self, t0: float, t1: float, dt: float) -> None:
        self.t0, self.t1 = t0, t1
        self.signed_dt = dt if t1 >= t0 else -dt
        self.steps = count_steps(t0, t1, dt)

    def start(self, batch: Batch, k1: Tensor, ledger: Ledger) -> None:
        """Nothing to look at."""

    def propose(self, rows: np.ndarray, ledger: Ledger) -> tuple[np.ndarray, np.ndarray]:
        """The n-th step of every running sample; they are all at the same one."""
        running = ledger.running(rows)
        n = int(ledger.accepted[rows[running][0]]) + 1
        dt, t_new = self.signed_dt, self.t0 + n * self.signed_dt
        if n >= self.steps:
            dt, t_new = self._last_step(), self.t1
        return np.where(running, dt, 0.0), np.where(running, t_new, ledger.t[rows])

    def judge(self, step: Step, rows: np.ndarray, dt: np.ndarray, ledger: Ledger) -> np.ndarray:
        """Keep what is finite: the state, and the last derivative, which is where an FSAL method goes on from."""
        finite = finite_samples(step.y_new, step.k[-1])
        ledger.end(rows[~finite & (dt != 0.0)], Status.NON_FINITE)
        return finite & (dt != 0.0)

    def _last_step(self) -> float:
        remaining = self.t1 - (self.t0 + (self.steps - 1) * self.signed_dt)
        # A remainder that differs from dt by round-off of the times is dt.
        round_off = 1e-12 * abs(self.t1 - self.t0) + 4.0 * float(np.spacing(max(abs(self.t0), abs(self.t1))))
        return self.signed_dt if abs(remaining - self.signed_dt) <= round_off else remaining
