"""`ReplayCheck`: whether the events of a log still happen where it has them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fieldsolver.equations.events import EventFunction
from fieldsolver.errors import OptionError
from fieldsolver.methods import Method
from fieldsolver.methods.host_runge_kutta import as_array

from .crossing import POSITIONS
from .detector import refuse_without_interpolant
from .repetition import Happening
from .sampling import Batched, StepSampler, Stretch, upload

ZERO = 1e-6
"""A condition is zero where it is smaller than this part of its largest value in the step."""
REMEDY = "the events of this solve are elsewhere, so solve anew without replay="


class ReplayCheck:
    """Follows the conditions of B samples through repeated steps.

    At every event of the log its condition must be zero, within `ZERO` of its largest value in the step; and from one
    end of a step to the next no condition may change its sign in a wanted direction without an event of the log.

    Args:
        events: what was looked for, in declared order.
        method: the scheme.
        samples: B.

    Raises:
        OptionError: the method has no interpolant.
    """

    def __init__(self, events: Sequence[EventFunction], method: Method, samples: int) -> None:
        refuse_without_interpolant(method)
        self._events, self._method = tuple(events), method
        self._wanted = np.array([event.direction for event in self._events])
        self._value = np.zeros((samples, len(self._events)))
        self._side = np.zeros_like(self._value)
        self.evaluations = method.extra_stages

    def start(self, t: np.ndarray, batched: Batched) -> None:
        """Look at the initial states."""
        with torch.no_grad():
            self._value[:] = self._conditions(batched, np.arange(t.size), batched.t, batched.y)

    def examine(self, stretch: Stretch, happening: Happening | None) -> None:
        """Check the accepted steps, in which this happens according to the log.

        Raises:
            OptionError: a condition is not zero at its event, or has changed its sign without one.
        """
        places = np.flatnonzero(stretch.accepted)
        if not places.size:
            return
        with torch.no_grad():
            sampler = StepSampler(self._events, self._method, stretch)
            rows, full = stretch.rows[places], np.ones(stretch.rows.size)
            theta = full if happening is None else happening.theta
            inner = sampler.at_positions(places, POSITIONS)
            end = self._at_ends(sampler, places, theta[places], inner[-1])
            size = np.abs(np.concatenate([self._value[rows][None], inner, end[None]]))
            accuracy = max(ZERO, 64 * torch.finfo(sampler.step.y.dtype).eps)
            limit = accuracy * np.nan_to_num(size).max(axis=0)
            start = np.where(np.abs(self._value[rows]) > limit, np.sign(self._value[rows]), 0.0)
            side = np.where(start != 0.0, start, self._side[rows])
            t = stretch.t_new[places] if happening is None else self._times(sampler, happening)[places]
            fired = np.zeros(end.shape, dtype=bool)
            if happening is not None:
                self._watched(sampler, happening, places, side, limit)
                fired = happening.direction[places] != 0
                self._refuse_moved(rows, t, end, fired & (np.abs(end) > limit))
            new = np.where(fired, 0.0, np.where(np.abs(end) > limit, np.sign(np.nan_to_num(end)), 0.0))
            crossed = (side * new < 0.0) & ((self._wanted == 0) | (self._wanted == new))
            self._refuse_unrecorded(rows, t, end, crossed)
        self._value[rows], self._side[rows] = end, np.where(new != 0.0, new, np.where(fired, 0.0, side))

    def go_on(self, stretch: Stretch, happening: Happening, places: np.ndarray, y: Tensor) -> None:
        """The samples `places` (m,) go on from the states y (m, *state) after their events."""
        with torch.no_grad():
            batched = Batched(stretch.field, stretch.step.t, stretch.step.y, self._selectable(stretch))
            t, rows = upload(happening.t[places], y), stretch.rows[places]
            self._value[rows] = self._conditions(batched, places, t, y.detach())
        self._side[rows] = 0.0

    def _selectable(self, stretch: Stretch) -> bool:
        return stretch.field.selectable and all(event.selectable for event in self._events)

    def _conditions(self, batched: Batched, places: np.ndarray, t: Tensor, y: Tensor) -> np.ndarray:
        values = [batched.call(event.condition, places, t, y).to(torch.float64) for event in self._events]
        return as_array(torch.stack(values, dim=1).cpu())

    def _at_ends(self, sampler: StepSampler, places: np.ndarray, theta: np.ndarray, full: np.ndarray) -> np.ndarray:
        """(P, E) conditions where the samples leave their steps."""
        cut = np.flatnonzero(theta != 1.0)
        if not cut.size:
            return full
        end, picked = full.copy(), places[cut]
        y = sampler.states(picked, theta[cut])
        end[cut] = sampler.conditions(picked, upload(sampler.times(picked, theta[cut]), y), y)
        return end

    def _times(self, sampler: StepSampler, happening: Happening) -> np.ndarray:
        return sampler.times(np.arange(happening.theta.size), happening.theta)

    def _watched(
        self, sampler: StepSampler, happening: Happening, places: np.ndarray, side: np.ndarray, limit: np.ndarray
    ) -> None:
        """Check the events that only watch, and note the sides that they lead to."""
        watched = happening.watched
        if not watched.places.size:
            return
        own = np.searchsorted(places, watched.places)
        value = sampler.condition(watched.event, watched.places, watched.theta)
        moved = np.flatnonzero(np.abs(value) > limit[own, watched.event])
        if moved.size:
            first = moved[0]
            t = sampler.times(watched.places[first : first + 1], watched.theta[first : first + 1])[0]
            self._refuse_moved_one(watched.event[first], sampler.stretch.rows[watched.places[first]], t, value[first])
        side[own, watched.event] = watched.direction  # of several in a step the last one counts

    def _refuse_moved(self, rows: np.ndarray, t: np.ndarray, value: np.ndarray, moved: np.ndarray) -> None:
        for place, event in np.argwhere(moved)[:1]:
            self._refuse_moved_one(event, rows[place], t[place], value[place, event])

    def _refuse_moved_one(self, event: int, sample: int, t: float, value: float) -> None:
        raise OptionError(
            f"replay has event {self._events[event].name!r} of sample {sample} at t = {t:.6g}, where its condition is "
            f"{value:.3g} instead of zero; {REMEDY}"
        )

    def _refuse_unrecorded(self, rows: np.ndarray, t: np.ndarray, value: np.ndarray, crossed: np.ndarray) -> None:
        for place, event in np.argwhere(crossed)[:1]:
            raise OptionError(
                f"the condition of event {self._events[event].name!r} of sample {rows[place]} has changed its sign by "
                f"t = {t[place]:.6g}, where it is {value[place, event]:.3g}, and replay has no event there; {REMEDY}"
            )
