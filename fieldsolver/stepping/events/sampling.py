"""States and conditions inside an accepted step, for any picks of (sample, position)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from fieldsolver.equations.events import EventFunction
from fieldsolver.methods import Method, Step
from fieldsolver.methods.host_runge_kutta import as_array

from ..random_numbers import undisturbed
from ..vector_field import VectorField

STACKED = 1 << 17
"""Entries of the state up to which all positions of a step are evaluated in one call."""


class Stretch(Protocol):
    """The attempt that the loop hands over: n samples, with the sizes of the full steps.

    Attributes:
        rows: (n,) places in the full batch.
        t: (n,) where they started.
        t_new: (n,) where they arrived.
        dt: (n,) signed sizes.
        accepted: (n,) booleans.
        step: the numbers.
        field: the right-hand side of these samples.
    """

    @property
    def rows(self) -> np.ndarray: ...
    @property
    def t(self) -> np.ndarray: ...
    @property
    def t_new(self) -> np.ndarray: ...
    @property
    def dt(self) -> np.ndarray: ...
    @property
    def accepted(self) -> np.ndarray: ...
    @property
    def step(self) -> Step: ...
    @property
    def field(self) -> VectorField: ...


@dataclass(frozen=True)
class Batched:
    """Calls functions of (parameters, t, y) for some samples of a batch.

    Attributes:
        field: the right-hand side of the n samples, with their parameters.
        t: (n,) float64, times for the samples that are not asked about.
        y: (n, *state), states for them.
        selectable: whether functions can be called with some samples alone; otherwise they always get all n.
    """

    field: VectorField
    t: Tensor
    y: Tensor
    selectable: bool

    def call(self, function: Callable[..., Tensor], places: np.ndarray, t: Tensor, y: Tensor) -> Tensor:
        """function(parameters, t (P,), y (P, *state)) of the samples `places` (P,), in any order, repeated or not."""
        whole = np.array_equal(places, np.arange(self.t.shape[0]))
        if whole:
            return function(self.field.parameters, t, y)
        if self.selectable:
            return function(self.field.select(upload(places, y)).parameters, t, y)
        pieces, order = [], []
        for picks in rounds(places):
            where = (upload(places[picks], y),)
            picked = upload(picks, y)
            full_t = self.t.index_put(where, t.index_select(0, picked))
            full_y = self.y.index_put(where, y.index_select(0, picked))
            pieces.append(function(self.field.parameters, full_t, full_y).index_select(0, where[0]))
            order.append(picks)
        back = upload(np.argsort(np.concatenate(order)), y)
        return torch.cat(pieces).index_select(0, back)


class StepSampler:
    """The interior of one attempt, and what the conditions are there.

    Args:
        events: whose conditions.
        method: has an interpolant.
        stretch: the attempt.
    """

    def __init__(self, events: Sequence[EventFunction], method: Method, stretch: Stretch) -> None:
        self.events, self.method, self.stretch = events, method, stretch
        step = stretch.step
        self.step = step
        if method.extra_stages:
            with undisturbed(step.y.device):
                self.step = method.extend(stretch.field, step)
        selectable = stretch.field.selectable and all(event.selectable for event in events)
        self.batched = Batched(stretch.field, step.t, step.y, selectable)

    def times(self, places: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """(P,) t + theta dt; the end of the step exactly where theta is 1."""
        stretch = self.stretch
        return np.where(theta == 1.0, stretch.t_new[places], stretch.t[places] + theta * stretch.dt[places])

    def states(self, places: np.ndarray, theta: np.ndarray) -> Tensor:
        """(P, *state) at the positions theta (P,) in the steps of the samples `places` (P,)."""
        where = upload(places, self.step.y)
        picked = self.step.select(where)
        inner = self.method.interpolate(picked, upload(theta, self.step.y))
        ends = theta == 1.0
        if not ends.any():
            return inner
        return torch.where(upload(ends, inner).view(-1, *[1] * (inner.dim() - 1)), picked.y_new, inner)

    def states_later(self, places: np.ndarray, theta: np.ndarray, delay: Tensor) -> Tensor:
        """`states`, as functions of a time that is `delay` (P,) later: zero, but for its derivatives.

        The beginning and the size of the step may have derivatives as well. In value nothing changes.
        """
        where = upload(places, self.step.y)
        picked = self.step.select(where)
        position = upload(theta, self.step.y)
        moving = (picked.t.detach() + position * picked.dt.detach() + delay - picked.t) / picked.dt
        inner = self.method.interpolate(picked, position + (moving - moving.detach()))
        ends = theta == 1.0
        if not ends.any():
            return inner
        mask = upload(ends, inner).view(-1, *[1] * (inner.dim() - 1))
        # The interpolant ends where the step does, up to round-off: the value of one, the derivatives of the other.
        return torch.where(mask, picked.y_new.detach() + (inner - inner.detach()), inner)

    def condition(self, event: np.ndarray, places: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """(P,) condition number event[p] at (places[p], theta[p]), float64 on the host."""
        t, y = upload(self.times(places, theta), self.step.y), self.states(places, theta)
        values = np.empty(places.size)
        for number in np.unique(event):
            own = np.flatnonzero(event == number)
            picked = upload(own, y)
            call = self.events[number].condition
            found = self.batched.call(call, places[own], t.index_select(0, picked), y.index_select(0, picked))
            values[own] = as_array(found.cpu())
        return values

    def at_positions(self, places: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """(M, P, E) all conditions of the samples `places` (P,) at each of the positions theta (M,)."""
        entries = self.step.y[0].numel() * places.size * theta.size
        groups = [theta] if entries <= STACKED else np.split(theta, theta.size)
        found = [self._at_positions(places, group) for group in groups]
        return np.concatenate(found)

    def _at_positions(self, places: np.ndarray, theta: np.ndarray) -> np.ndarray:
        repeated, positions = np.tile(places, theta.size), np.repeat(theta, places.size)
        t, y = upload(self.times(repeated, positions), self.step.y), self.states(repeated, positions)
        return self.conditions(repeated, t, y).reshape(theta.size, places.size, len(self.events))

    def conditions(self, places: np.ndarray, t: Tensor, y: Tensor) -> np.ndarray:
        """(P, E) all conditions for the samples `places` at (t, y), read by the host once."""
        values = [self.batched.call(event.condition, places, t, y).to(torch.float64) for event in self.events]
        return as_array(torch.stack(values, dim=1).cpu())


def rounds(places: np.ndarray) -> Iterator[np.ndarray]:
    """Index arrays that cover `places` (P,), each of which names no sample twice."""
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if places.size else np.empty(0, dtype=np.int64)
    repeat = np.arange(places.size) - np.repeat(starts, np.diff(np.r_[starts, places.size]))
    for number in range(int(repeat.max(initial=-1)) + 1):
        yield order[repeat == number]


def upload(values: np.ndarray, like: Tensor) -> Tensor:
    """A host array as a tensor on the device of `like`."""
    return torch.from_numpy(np.ascontiguousarray(values)).to(like.device)
