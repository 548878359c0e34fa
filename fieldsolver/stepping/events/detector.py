"""`EventDetector`: finds events in accepted steps, and takes samples through them.

Where a sample stops, a condition that crosses zero close behind has not happened and keeps its side: the next step
finds the crossing, however close it is. A condition is on its zero, without a side, only where its own event happened
and the reset left it, where a reset put it, or where it was when the step began and has not left it yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fieldsolver.equations.events import EventFunction
from fieldsolver.errors import OptionError
from fieldsolver.methods import Method
from fieldsolver.methods.host_runge_kutta import as_array
from fieldsolver.methods.transformed import in_transform

from ..random_numbers import undisturbed
from ..vector_field import VectorField
from .crossing import (
    NEAR_END,
    POSITIONS,
    Crossings,
    Signs,
    Values,
    hidden_crossings,
    read_signs,
    sign_changes,
    together,
)
from .location import ACCURACY, locate
from .log import EventLog, EventRecorder
from .memory import EventMemory, Rest
from .passage import pass_events
from .repetition import note_firings, note_watched
from .sampling import Batched, StepSampler, Stretch, upload
from .watched import Watched

SAME_TIME = 4 * ACCURACY
"""Events closer than this part of the step happen at the same time."""
SAME_PLACE = 1e-9
"""Events closer than this may be on either side of each other by round-off; the sign of the condition decides."""
SHORTEST_PAUSE = 1e-10
"""Times between events with a reset shorter than this part of the time span are Zeno behaviour."""
LARGEST_STEP = 100.0
"""Steps after an event are at most this many times the time since the one before: the next may come as soon."""


@dataclass(frozen=True)
class EventStops:
    """m samples whose step ends early.

    Attributes:
        places: (m,) of the n samples of the attempt.
        theta: (m,) where in the step, in (0, 1].
        t: (m,) when; `t_new` itself where theta is 1.
        fired: (m, E) booleans, the events that happen there.
        near: (m, E) sign of the condition after a crossing here, or later within round-off; 0 without one.
        passed: (m, E) sign of the condition after a watched crossing shortly before, within round-off; 0 without one.
        level: (m, E) value of the conditions that were at zero where the step began, and still are; NaN for the others.
        scale: (m, E) largest value of the conditions in the step.
    """

    places: np.ndarray
    theta: np.ndarray
    t: np.ndarray
    fired: np.ndarray
    near: np.ndarray
    passed: np.ndarray
    level: np.ndarray
    scale: np.ndarray


@dataclass(frozen=True)
class Landing:
    """Where the stopped samples go on from.

    Attributes:
        places: (m,) of the n samples of the attempt.
        theta: (m,) where in their step.
        t: (m,) where their step ended.
        y: (m, *state), states after the resets.
        offset: (m,) float64, zero, with the derivatives of t; None if it has none.
        direction: (m, E) sign of the conditions after the events that happened, 0 for the others.
        terminal: (m,) booleans, samples that end.
        zeno: (m,) booleans, samples whose events follow each other too fast, or too often.
        largest_dt: (m,) upper bound of the size of the next step; inf before the second event.
    """

    places: np.ndarray
    theta: np.ndarray
    t: np.ndarray
    y: Tensor
    offset: Tensor | None
    direction: np.ndarray
    terminal: np.ndarray
    zeno: np.ndarray
    largest_dt: np.ndarray


def refuse_without_interpolant(method: Method) -> None:
    """Raise OptionError for a method in whose steps no event can be located."""
    if method.interpolant_order is None:
        raise OptionError(
            f"method {method.name!r} has no interpolant, and events are located in it; use one that has, as tsit5"
        )


class EventDetector:
    """Watches the conditions of B samples over accepted steps.

    Per accepted step: one call of the interpolant and of every condition at the positions of `crossing.POSITIONS` (all
    at once for small states), and about ten more for each step in which something crosses or nearly does.

    Args:
        events: what to look for, in declared order.
        method: the scheme.
        samples: B.
        span: length of the time span, the scale on which times between events are short.

    Raises:
        OptionError: the method has no interpolant.
    """

    CHANGING = ("_memory", "_recorder")

    def __init__(self, events: Sequence[EventFunction], method: Method, *, samples: int, span: float) -> None:
        refuse_without_interpolant(method)
        self.events, self._method, self._span = tuple(events), method, span
        self._wanted = np.array([event.direction for event in self.events], dtype=np.float64)
        self._stops = np.array([event.stops for event in self.events], dtype=bool)
        self._resets = np.array([event.reset is not None for event in self.events], dtype=bool)
        self._limit = np.array([event.max_events for event in self.events])
        self._memory = EventMemory.open(samples, len(self.events))
        self.evaluations = method.extra_stages  # of f, in every step

    def start(self, field: VectorField, t: np.ndarray, y: Tensor) -> None:
        """Look at the initial states: t (B,) float64 on the host, y (B, *state); no event happens there."""
        times = upload(t, y)
        batched = Batched(field, times, y, field.selectable)
        with torch.no_grad():
            self._recorder = EventRecorder([event.name for event in self.events], y)
            rows = np.arange(t.size)
            values = [batched.call(event.condition, rows, times, y).to(torch.float64) for event in self.events]
            value = as_array(torch.stack(values, dim=1).cpu())
        self._memory.place(rows, value, value == 0.0)
        self._accuracy = max(10 * ACCURACY, 64 * torch.finfo(y.dtype).eps)

    def initial_values(self, field: VectorField, t0: float | Tensor, y: Tensor) -> Tensor:
        """(B, 2 E) float64 on the host: every condition at (t0, y), and one number of the state after its reset.

        That number is a sum with the weights cos 1, cos 2, ..., to which no two entries of a state contribute alike.
        """
        t = torch.full((y.shape[0],), float(t0), dtype=torch.float64, device=y.device)
        columns = []
        with torch.no_grad(), undisturbed(y.device):
            for event in self.events:
                after = y if event.reset is None else event.reset(field.parameters, t, y)
                real = torch.view_as_real(after.resolve_conj()) if after.is_complex() else after
                flat = real.reshape(y.shape[0], -1).double()
                weights = torch.cos(torch.arange(1.0, flat.shape[1] + 1, dtype=torch.float64, device=y.device))
                columns += [event.condition(field.parameters, t, y).double(), flat @ weights]
        return torch.stack(columns, dim=1).cpu()

    def examine(self, stretch: Stretch) -> tuple[EventStops | None, Watched]:
        """Find the events of the accepted steps.

        Those that neither reset nor end a sample are logged here and leave the step as it is.

        Returns:
            The samples whose steps end early, None if there are none; and the other events.
        """
        places = np.flatnonzero(stretch.accepted)
        if not places.size:
            return None, Watched.none()
        with torch.no_grad():
            sampler = StepSampler(self.events, self._method, stretch)
            stops, watched = self._examine(sampler, places)
        if watched.places.size:
            if torch.is_grad_enabled() or in_transform():
                sampler = StepSampler(self.events, self._method, stretch)
            note_watched(sampler, watched, self._recorder)
        return stops, watched

    def _examine(self, sampler: StepSampler, places: np.ndarray) -> tuple[EventStops | None, Watched]:
        memory, rows, shape = self._memory, sampler.stretch.rows[places], (places.size, len(self.events))
        inner = sampler.at_positions(places, POSITIONS)
        values = np.concatenate([memory.value[rows][None], inner])
        with np.errstate(invalid="ignore"):
            scale = np.nanmax(np.abs(values), axis=0, initial=0.0)
        memory.settle_fresh(rows, self._accuracy, scale)
        theta = np.concatenate([[0.0], POSITIONS])
        zero = np.where(memory.at_zero[rows], memory.value[rows], np.nan)
        rest = Rest.of(zero, theta, values, self._accuracy * scale)
        level, side = np.nan_to_num(zero, nan=0.0).reshape(-1), memory.side[rows].reshape(-1)
        columns = values.reshape(values.shape[0], -1) - level
        signs = read_signs(theta, columns, side)

        def evaluate(column: np.ndarray, at: np.ndarray) -> np.ndarray:
            return sampler.condition(column % shape[1], places[column // shape[1]], at) - level[column]

        crossings = self._crossings(theta, columns, signs, side, evaluate)
        memory.value[rows], memory.at_zero[rows] = inner[-1], False
        memory.side[rows] = signs.filled[-1].reshape(shape)
        if not crossings.column.size:
            return None, Watched.none()
        return self._sort_out(sampler, places, crossings, locate(crossings, evaluate), rest, scale)

    def _crossings(
        self, theta: np.ndarray, columns: np.ndarray, signs: Signs, side: np.ndarray, evaluate: Values
    ) -> Crossings:
        """Those in a direction that somebody asked for."""
        found = together(sign_changes(theta, signs, side), hidden_crossings(theta, columns, signs, evaluate))
        wanted = self._wanted[found.column % len(self.events)]
        return found.select((wanted == 0.0) | (wanted == found.direction))

    def _sort_out(
        self, sampler: StepSampler, places: np.ndarray, crossings: Crossings, theta: np.ndarray, rest: Rest,
        scale: np.ndarray,
    ) -> tuple[EventStops | None, Watched]:  # fmt: skip
        """The first events that stop each sample, and those before that only watch."""
        local, event = np.divmod(crossings.column, len(self.events))
        stop = np.full(places.size, np.inf)
        stopping = self._stops[event]
        np.minimum.at(stop, local[stopping], theta[stopping])
        gap = theta - stop[local]  # -inf where nothing stops the sample
        fires, beside = np.abs(gap) <= SAME_TIME, np.abs(gap) <= SAME_PLACE
        near, passed = beside & (gap >= -SAME_TIME), beside & (gap < -SAME_TIME)
        before = np.flatnonzero(gap < -SAME_TIME)
        before = before[np.lexsort((event[before], theta[before]))]
        direction = crossings.direction.astype(np.int8)
        watched = Watched(places[local[before]], theta[before], event[before], direction[before])
        stopped = np.flatnonzero(np.isfinite(stop))
        if not stopped.size:
            return None, watched
        fired, after, behind = (np.zeros_like(scale, dtype=kind) for kind in (bool, float, float))
        fired[local[fires], event[fires]] = True
        after[local[near], event[near]] = direction[near]
        behind[local[passed], event[passed]] = direction[passed]
        where = places[stopped]
        stops = EventStops(
            places=where,
            theta=stop[stopped],
            t=sampler.times(where, stop[stopped]),
            fired=fired[stopped],
            near=after[stopped],
            passed=behind[stopped],
            level=rest.until(stop)[stopped],
            scale=scale[stopped],
        )
        return stops, watched

    def apply(self, stretch: Stretch, stops: EventStops) -> Landing:
        """Take the stopped samples through their events."""
        sampler = StepSampler(self.events, self._method, stretch)
        t = upload(stops.t, stretch.step.y)
        with torch.no_grad():
            at_event = sampler.conditions(stops.places, t, sampler.states(stops.places, stops.theta))
        # Beside the located time an event has happened if its condition says so.
        fired = stops.fired | ((stops.near != 0.0) & (np.sign(at_event) * stops.near >= 0.0))
        passed = pass_events(self.events, sampler, stops.places, stops.theta, stops.t, fired)
        rows, direction = stretch.rows[stops.places], np.where(fired, stops.near, 0.0).astype(np.int8)
        note_firings(rows, passed.firings, direction, self._recorder)
        zeno, largest = self._restart(sampler, stops, fired, rows, at_event, t, passed.y.detach())
        return Landing(
            places=stops.places, theta=stops.theta, t=stops.t, y=passed.y, offset=passed.offset, direction=direction,
            terminal=passed.terminal, zeno=zeno, largest_dt=largest,
        )  # fmt: skip

    def _restart(
        self, sampler: StepSampler, stops: EventStops, fired: np.ndarray, rows: np.ndarray, at_event: np.ndarray,
        t: Tensor, y: Tensor,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """Sides after the resets; whether the events come too fast, and how large the next step may be."""
        with torch.no_grad():
            value = sampler.conditions(stops.places, t, y)
        # A condition that its own event left where it was is zero, whatever the located number says; so is one whose
        # watched event came just before, and that round-off still has on the side where it was.
        round_off = self._accuracy * stops.scale
        happened = fired | ((stops.passed != 0.0) & (np.sign(at_event) * stops.passed <= 0.0))
        at_zero = np.where(happened, np.abs(value) <= 8 * np.abs(at_event) + round_off, value == 0.0)
        with np.errstate(invalid="ignore"):
            at_zero |= np.abs(value) <= 8 * np.abs(stops.level) + round_off
        self._memory.place(rows, value, at_zero)
        resets = fired & self._resets
        pause = self._memory.fire(rows, resets, stops.t)
        dt = np.abs(sampler.stretch.dt[stops.places])[:, None]
        shortest = np.maximum(SHORTEST_PAUSE * self._span, np.where(at_zero, 2 * NEAR_END * dt, 0.0))
        zeno = (pause <= shortest) | (resets & (self._memory.fired[rows] > self._limit))
        return zeno.any(axis=1), LARGEST_STEP * pause.min(axis=1)

    def log(self) -> EventLog:
        """Everything that happened so far."""
        return self._recorder.log()
