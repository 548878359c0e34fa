"""Steps that are known before the run: of one size, or between given times."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import ceil

import numpy as np
import torch
from torch import Tensor

from fieldsolver.methods import Step

from .arithmetic import Array, pick
from .batch import Batch, all_finite, finite_samples
from .ledger import Ledger
from .status import Status


def count_steps(t0: float, t1: float, dt: float) -> int:
    """Steps of size dt > 0 from t0 to t1; a quotient within round-off of an integer is that integer."""
    quotient = abs(t1 - t0) / dt
    nearest = round(quotient)
    slack = 1e-12 * quotient + 4.0 * np.spacing(max(abs(t0), abs(t1))) / dt
    return max(1, nearest if abs(quotient - nearest) <= slack else ceil(quotient))


def slack(t0: float, t1: float) -> float:
    """A remainder that differs from dt by no more than this, the round-off of the times, is dt."""
    return 1e-12 * abs(t1 - t0) + 4.0 * float(np.spacing(max(abs(t0), abs(t1))))


class KnownSteps(ABC):
    """The n-th step of each sample ends at the n-th time; if an event cuts it, what follows ends there too."""

    estimate = False
    CHANGING = ("next",)

    def __init__(self, t0: float, t1: float) -> None:
        self.t0, self.t1 = t0, t1
        self.next: Array = np.empty(0, dtype=np.int64)  # number of the time that each sample heads for

    @abstractmethod
    def times(self, n: Array, batch: Batch) -> tuple[Array, Array]:
        """The n-th times (n >= 1), and the sizes that steps between them and their predecessors have."""

    def start(self, batch: Batch, k1: Tensor, ledger: Ledger) -> None:
        """All samples head for the first time."""
        self.next = batch.xp.full_like(batch.t, 1, dtype=int)
        self._slack = slack(self.t0, self.t1)

    def propose(self, batch: Batch) -> tuple[Array, Array]:
        """To the next time."""
        xp = batch.xp
        t_new, size = self.times(self.next, batch)
        remaining = t_new - batch.t
        dt = xp.where(xp.abs(remaining - size) <= self._slack, size, remaining)
        return xp.where(batch.running, dt, 0.0), xp.where(batch.running, t_new, batch.t)

    def judge(self, step: Step, batch: Batch, dt: Array) -> tuple[Array, Array | None]:
        """Keep what is finite: the state, and the last derivative, which is where an FSAL method goes on from."""
        test = finite_samples if batch.xp is np else all_finite
        finite: Array = test(step.y_new, *step.k[-1:])
        if batch.all_running and finite.all():
            return finite, None
        moving = dt != 0.0
        return finite & moving, batch.xp.where(~finite & moving, int(Status.NON_FINITE), 0)

    def arrived(self, batch: Batch, accepted: Array, t_new: Array) -> None:
        """Head for the next time where a step has ended on this one."""
        times, _ = self.times(self.next, batch)
        self.next = self.next + (accepted & (t_new == times))

    def restart(self, which: Array, largest: Array | None = None) -> None:  # noqa: B027 - nothing to forget
        """There is no past."""

    def compact(self, places: np.ndarray) -> None:
        """Keep only these samples."""
        self.next = pick(self.next, places)


class FixedSteps(KnownSteps):
    """t_n = t0 + n dt, by multiplication: no round-off accumulates in the time; the last step is shortened to t1.

    Args:
        t0: start.
        t1: end.
        dt: positive size of the steps.
    """

    def __init__(self, t0: float, t1: float, dt: float) -> None:
        super().__init__(t0, t1)
        self.signed_dt = dt if t1 >= t0 else -dt
        self.steps = count_steps(t0, t1, dt)

    def times(self, n: Array, batch: Batch) -> tuple[Array, Array]:
        """t0 + n dt."""
        size = batch.xp.full_like(batch.t, self.signed_dt)  # whole numbers times a plain number are float32 in torch
        return batch.xp.where(n >= self.steps, self.t1, self.t0 + n * size), self.signed_dt


class GivenSteps(KnownSteps):
    """Steps between given times.

    Args:
        times: (N,) float64, ordered, from t0 to t1.
    """

    def __init__(self, times: np.ndarray) -> None:
        super().__init__(float(times[0]), float(times[-1]))
        self._times: Array = times
        self._sizes: Array = np.diff(times, prepend=times[0])

    def start(self, batch: Batch, k1: Tensor, ledger: Ledger) -> None:
        """Take the times to the device."""
        super().start(batch, k1, ledger)
        if batch.xp is not np:
            self._times, self._sizes = (torch.from_numpy(a).to(batch.y.device) for a in (self._times, self._sizes))

    def times(self, n: Array, batch: Batch) -> tuple[Array, Array]:
        """The n-th given time."""
        n = batch.xp.minimum(n, len(self._times) - 1)
        return self._times[n], self._sizes[n]
