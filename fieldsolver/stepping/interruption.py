"""Where a step is left before its end or the solution does not go on smoothly: events and jumps of f."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from fieldsolver.methods import Method

from .batch import Batch
from .control import Attempt
from .events import EventDetector, EventFunction, EventLog, EventRecorder, Watched, repeat_events
from .status import Status
from .targets import Targets


@dataclass(frozen=True, slots=True)
class Interruption:
    """What happens in the accepted steps of one attempt; arrays (n,) on the host, meaningless where `which` is False.

    Attributes:
        which: booleans, the samples that do not go on smoothly from the end of their step.
        theta: where in the step.
        t: when.
        t_next: where the sample goes on from: one unit in the last place later where f jumps.
        direction: (n, E) sign of the conditions after the events that happen there, 0 for the others.
        watched: events that leave the steps alone.
        status: `Status` of samples that end here, else 0; None if nobody does.
        largest_dt: bound of the next step; None without one.
        places: (m,) integers, the samples whose state is replaced.
        y: (m, *state), their new states; None when there are none.
        offset: (m,) float64, zero, with the derivatives of the times of their events; None where they have none.
    """

    which: np.ndarray
    theta: np.ndarray
    t: np.ndarray
    t_next: np.ndarray
    direction: np.ndarray
    watched: Watched
    status: np.ndarray | None = None
    largest_dt: np.ndarray | None = None
    places: np.ndarray | None = None
    y: Tensor | None = None
    offset: Tensor | None = None

    @classmethod
    def none(cls, t_new: np.ndarray, events: int) -> Interruption:
        """Nothing happens; the arrays may be written to."""
        n = t_new.size
        direction = np.zeros((n, events), dtype=np.int8)
        return cls(np.zeros(n, dtype=bool), np.ones(n), t_new.copy(), t_new.copy(), direction, Watched.none())

    def among(self, rows: np.ndarray, samples: int) -> Interruption:
        """The same for a batch of B samples, of which these are `rows` (n,); without the new states."""
        if rows.size == samples:
            return Interruption(self.which, self.theta, self.t, self.t_next, self.direction, self.watched)
        full = Interruption.none(np.zeros(samples), self.direction.shape[1])
        for whole, own in zip(full.arrays(), self.arrays(), strict=True):
            whole[rows] = own
        return Interruption(*full.arrays(), self.watched.at(rows[self.watched.places]))

    def select(self, rows: np.ndarray) -> Interruption:
        """Some of the samples (increasing), those that are watched among them; without the new states."""
        which, theta, t, t_next, direction = (values[rows] for values in self.arrays())
        return Interruption(which, theta, t, t_next, direction, self._watched_among(rows))

    def repeated(
        self, events: Sequence[EventFunction], method: Method, attempt: Attempt, recorder: EventRecorder
    ) -> Interruption:
        """The same with the new states, computed from another attempt at the same steps; its events are logged."""
        places, passed = repeat_events(events, method, attempt, self, recorder)
        if passed is None:
            return Interruption(*self.arrays(), self.watched, places=places)
        return Interruption(*self.arrays(), self.watched, places=places, y=passed.y, offset=passed.offset)

    def events(self) -> int:
        """How many events happen."""
        return int(np.count_nonzero(self.direction[self.which])) + self.watched.places.size

    def _watched_among(self, rows: np.ndarray) -> Watched:
        return self.watched.at(np.searchsorted(rows, self.watched.places))

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """What samples are selected by."""
        return self.which, self.theta, self.t, self.t_next, self.direction


def go_on(batch: Batch, method: Method, interruption: Interruption) -> None:
    """Set the interrupted samples to where they go on from; the method starts anew."""
    which = interruption.which
    if not which.any():
        return
    batch.t = batch.xp.where(batch.array(which), batch.array(interruption.t_next), batch.t)
    if interruption.y is not None and interruption.places is not None:
        places = torch.from_numpy(interruption.places).to(batch.y.device)
        batch.y = batch.y.index_copy(0, places, interruption.y)
        if interruption.offset is not None:
            none = torch.zeros(batch.y.shape[0], dtype=torch.float64, device=batch.y.device)
            offset = none if batch.offset is None else batch.offset
            batch.offset = offset.index_copy(0, places, interruption.offset)
    if batch.memory:
        batch.restart(method, which)


class Interrupter(Protocol):
    """Looks at accepted steps before anybody else does.

    Attributes:
        evaluations: evaluations of f that it makes in every accepted step.
    """

    evaluations: int

    def start(self, batch: Batch) -> None:
        """Look at the initial states."""
        ...

    def initial_values(self, batch: Batch) -> Tensor | None:
        """(B, N) numbers at the initial states that tell the events from others; None without events."""
        ...

    def examine(self, attempt: Attempt) -> Interruption | None:
        """What interrupts this attempt, whose arrays are on the host; None if nothing does."""
        ...

    def log(self) -> EventLog | None:
        """The events so far; None if none were looked for."""
        ...


class LiveInterrupter:
    """Finds events in the dense output, and knows where f jumps.

    Args:
        detector: of events; None without any.
        targets: the times on which steps land, jumps among them; None without any.
    """

    CHANGING = ("_detector",)

    def __init__(self, detector: EventDetector | None, targets: Targets | None) -> None:
        self._detector, self._targets = detector, targets
        self.evaluations = 0 if detector is None else detector.evaluations

    def start(self, batch: Batch) -> None:
        """Note the sides on which the conditions start."""
        if self._detector is not None:
            t = batch.t if isinstance(batch.t, np.ndarray) else batch.t.cpu().numpy()
            self._detector.start(batch.field, t, batch.y)

    def initial_values(self, batch: Batch) -> Tensor | None:
        """Conditions and resets where the samples start."""
        return None if self._detector is None else self._detector.initial_values(batch.field, batch.rest.t, batch.y)

    def examine(self, attempt: Attempt) -> Interruption | None:
        """Events first: one that cuts the step short keeps it from reaching the jump."""
        found = None if self._detector is None else self._events(self._detector, attempt)
        t_new = attempt.t_new if found is None else np.where(found.which, found.t, attempt.t_new)
        jump = None if self._targets is None else self._targets.jumped(t_new, attempt.accepted)
        if jump is not None and self._targets is not None:
            there = jump >= 0
            found = Interruption.none(t_new, self._width()) if found is None else found
            found.t[:] = np.where(there, t_new, found.t)
            found.t_next[:] = np.where(there, self._targets.after[jump], found.t_next)
            found.which[:] |= there
        return found

    def _width(self) -> int:
        """Number of events, of which a jump alone is none: all interruptions of a run have as many columns."""
        return 0 if self._detector is None else len(self._detector.events)

    def log(self) -> EventLog | None:
        """What the detector has logged."""
        return None if self._detector is None else self._detector.log()

    def _events(self, detector: EventDetector, attempt: Attempt) -> Interruption | None:
        stops, watched = detector.examine(attempt)
        if stops is None and not watched.places.size:
            return None
        nothing = Interruption.none(attempt.t_new, len(detector.events))
        which, theta, t, t_next, direction = nothing.arrays()
        if stops is None:
            return Interruption(which, theta, t, t_next, direction, watched)
        landing = detector.apply(attempt, stops)
        places, n = landing.places, attempt.rows.size
        which[places], theta[places], direction[places] = True, landing.theta, landing.direction
        t[places] = t_next[places] = landing.t
        status, largest = np.zeros(n, dtype=np.int64), np.full(n, np.inf)
        status[places] = np.where(landing.terminal, Status.EVENT, np.where(landing.zeno, Status.ZENO, 0))
        largest[places] = landing.largest_dt
        return Interruption(
            which, theta, t, t_next, direction, watched, status, largest, places, landing.y, landing.offset
        )
