"""Carrying out events whose place and kind are known: by the detector that found them, and in every repetition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from fieldsolver.equations.events import EventFunction
from fieldsolver.methods import Method

from .log import EventRecorder
from .passage import Firing, PassedEvents, pass_events
from .sampling import StepSampler, Stretch
from .watched import Watched


class Happening(Protocol):
    """What happens in the steps of n samples.

    Attributes:
        theta: (n,) where in the step the sample is stopped.
        t: (n,) when.
        direction: (n, E) sign of the conditions after the events that happen there, 0 for the others.
        watched: the events before.
    """

    @property
    def theta(self) -> np.ndarray: ...
    @property
    def t(self) -> np.ndarray: ...
    @property
    def direction(self) -> np.ndarray: ...
    @property
    def watched(self) -> Watched: ...


def repeat_events(
    events: Sequence[EventFunction], method: Method, stretch: Stretch, happening: Happening, recorder: EventRecorder
) -> tuple[np.ndarray, PassedEvents | None]:
    """Carry out known events.

    Returns:
        The samples (m,) whose state is replaced, and what they passed through; None if there are none.
    """
    fired = happening.direction != 0
    places = np.flatnonzero(fired.any(axis=1))
    if not places.size and not happening.watched.places.size:
        return places, None
    sampler = StepSampler(events, method, stretch)
    note_watched(sampler, happening.watched, recorder)
    if not places.size:
        return places, None
    passed = pass_events(events, sampler, places, happening.theta[places], happening.t[places], fired[places])
    note_firings(stretch.rows[places], passed.firings, happening.direction[places], recorder)
    return places, passed


def note_watched(sampler: StepSampler, watched: Watched, recorder: EventRecorder) -> None:
    """Log events that change nothing."""
    places = watched.places
    if not places.size:
        return
    fired = watched.event[:, None] == np.arange(len(sampler.events))
    passed = pass_events(sampler.events, sampler, places, watched.theta, sampler.times(places, watched.theta), fired)
    rows = sampler.stretch.rows[places]
    recorder.note(rows, watched.event, watched.direction, passed.t, passed.y_before, passed.y_before)


def note_firings(rows: np.ndarray, firings: Sequence[Firing], direction: np.ndarray, recorder: EventRecorder) -> None:
    """Log events that stopped samples: rows (m,), direction (m, E)."""
    for firing in firings:
        own = firing.places
        kind = np.full(own.size, firing.event)
        recorder.note(rows[own], kind, direction[own, firing.event], firing.t, firing.y_before, firing.y_after)
