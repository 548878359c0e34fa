"""The events and jumps of a run, and their repetition in the same places of the same steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from fieldsolver.methods import Method

from .batch import Batch
from .control import Attempt
from .events import EventFunction, EventLog, EventRecorder, ReplayCheck, Watched
from .events.sampling import Batched, upload
from .interruption import Interruption
from .ledger import Ledger


@dataclass(frozen=True, slots=True)
class InterruptionLog:
    """K interruptions and W watched events of B samples, each in the `number`-th accepted step of its sample.

    Attributes:
        sample, number: (K,) integers, in increasing order of both.
        theta, t, t_next: (K,) as in `Interruption`.
        direction: (K, E) likewise.
        watched_sample, watched_number: (W,) integers, likewise in order.
        watched: (W,) events; their places mean nothing.
    """

    sample: np.ndarray
    number: np.ndarray
    theta: np.ndarray
    t: np.ndarray
    t_next: np.ndarray
    direction: np.ndarray
    watched_sample: np.ndarray
    watched_number: np.ndarray
    watched: Watched


class InterruptionRecorder:
    """Collects the interruptions of the attempts of a run."""

    CHANGING = ("_found", "_watched")

    def __init__(self) -> None:
        self._found: list[tuple[np.ndarray, ...]] = []
        self._watched: list[tuple[np.ndarray, np.ndarray, Watched]] = []

    def after(self, attempt: Attempt, ledger: Ledger) -> None:
        """Note those of this attempt, which is already booked."""
        found = attempt.interruption
        if found is None:
            return
        own = np.flatnonzero(found.which)
        rows = attempt.rows[own]
        numbers = ledger.accepted[rows] - 1
        self._found.append((rows, numbers, found.theta[own], found.t[own], found.t_next[own], found.direction[own]))
        rows = attempt.rows[found.watched.places]
        self._watched.append((rows, ledger.accepted[rows] - 1, found.watched))

    def log(self) -> InterruptionLog | None:
        """All of them; None if there are none."""
        if not self._found:
            return None
        columns = [np.concatenate(parts) for parts in zip(*self._found, strict=True)]
        order = np.lexsort((columns[1], columns[0]))
        row, step, theta, t, t_next, direction = (column[order] for column in columns)
        sample, number = (np.concatenate([part[i] for part in self._watched]) for i in (0, 1))
        watched = Watched.together([part for _, _, part in self._watched])
        later = np.lexsort((number, sample))  # stable: those of one step stay in their order
        return InterruptionLog(
            row, step, theta, t, t_next, direction, sample[later], number[later], watched.select(later)
        )


class ReplayedInterrupter:
    """Repeats the interruptions of a log.

    Args:
        log: of an earlier run; None if nothing happened in it.
        events: the events that were looked for.
        method: the scheme.
        samples: B.
        check: whether to refuse a log whose events have moved; a log of the same numbers needs no check.

    Raises:
        OptionError: with `check`, the method has no interpolant.
    """

    def __init__(
        self, log: InterruptionLog | None, events: Sequence[EventFunction], method: Method, samples: int, *,
        check: bool = False,
    ) -> None:  # fmt: skip
        self._log, self._events, self._method = log, tuple(events), method
        self._check = ReplayCheck(events, method, samples) if check and events else None
        self.evaluations = 0 if self._check is None else self._check.evaluations
        self._steps = np.zeros(samples, dtype=np.int64)  # accepted so far
        if log is not None:
            self._stride = 1 + int(max(log.number.max(initial=0), log.watched_number.max(initial=0)))
            self._keys = log.sample * self._stride + log.number
            self._watched_keys = log.watched_sample * self._stride + log.watched_number

    def start(self, batch: Batch) -> None:
        """Look at the initial states, if there is a check."""
        self._recorder = EventRecorder([event.name for event in self._events], batch.y)
        if self._check is not None:
            t = batch.t if isinstance(batch.t, np.ndarray) else batch.t.cpu().numpy()
            self._check.start(t, Batched(batch.field, upload(t, batch.y), batch.y.detach(), batch.field.selectable))

    def initial_values(self, batch: Batch) -> Tensor | None:
        """None: a repetition is not kept on disk."""
        return None

    def examine(self, attempt: Attempt) -> Interruption | None:
        """What happened in these steps."""
        numbers = self._steps[attempt.rows]
        self._steps[attempt.rows] += attempt.accepted
        found = None if self._log is None else self._look_up(self._log, attempt, numbers)
        if self._check is not None:
            self._check.examine(attempt, found)
        if found is None:
            return None
        repeated = found.repeated(self._events, self._method, attempt, self._recorder)
        if self._check is not None and repeated.places is not None and repeated.y is not None:
            self._check.go_on(attempt, repeated, repeated.places, repeated.y)
        return repeated

    def log(self) -> EventLog | None:
        """The events, with their graph where there is one."""
        return self._recorder.log() if self._events else None

    def _look_up(self, log: InterruptionLog, attempt: Attempt, numbers: np.ndarray) -> Interruption | None:
        within = attempt.accepted & (numbers < self._stride)
        keys = np.where(within, attempt.rows * self._stride + numbers, -1)
        entry = np.searchsorted(self._keys, keys)
        hit = np.flatnonzero(np.isin(keys, self._keys))
        first, last = (np.searchsorted(self._watched_keys, keys, side=side) for side in ("left", "right"))
        count = np.where(within, last - first, 0)
        if not hit.size and not count.any():
            return None
        found = Interruption.none(attempt.t_new, len(self._events))
        own = entry[hit]
        found.which[hit], found.theta[hit] = True, log.theta[own]
        if log.direction.shape[1]:  # else the log is of a run without events
            found.direction[hit] = log.direction[own]
        found.t[hit], found.t_next[hit] = log.t[own], log.t_next[own]
        places = np.repeat(np.arange(count.size), count)
        within_step = np.arange(places.size) - np.repeat(np.cumsum(count) - count, count)
        watched = log.watched.select(np.repeat(first, count) + within_step).at(places)
        return replace(found, watched=watched)
