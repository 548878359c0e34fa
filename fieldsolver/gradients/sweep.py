"""The backward sweep of a checkpointed solve: segment by segment, from the last row to the first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np
import torch
from torch import Tensor

from fieldsolver.methods import Method
from fieldsolver.stepping import VectorField
from fieldsolver.stepping.events import EventFunction
from fieldsolver.stepping.random_numbers import undisturbed
from fieldsolver.stepping.save_times import SaveTimes

from .checkpoints import CheckpointRecorder
from .segments import Adjoint, EventGradients, Saved, Segment


class Sweep:
    """Carries the adjoint from the end of a solve to its start.

    Args:
        field: the right-hand side, with the parameters of the solve.
        method: the scheme.
        recorder: rows and checkpoints of the forward pass.
        save_times: the save points of the forward pass.
        wanted: for each parameter, whether its gradient is needed.
        events: what was looked for.
    """

    def __init__(
        self, field: VectorField, method: Method, recorder: CheckpointRecorder, save_times: SaveTimes,
        wanted: tuple[bool, ...], events: Sequence[EventFunction] = (),
    ) -> None:  # fmt: skip
        self.events = events
        self.field, self.method, self.recorder, self.save_times = field, method, recorder, save_times
        self.wanted = [i for i, needed in enumerate(wanted) if needed]
        self.gradients: list[Tensor | None] = [None] * len(wanted)
        self._due = self._plan_saves()

    def run(
        self, grad_end: Tensor | None, grad_saved: Tensor | None, logged: EventGradients = (None, None, None)
    ) -> tuple[Tensor | None, list[Tensor | None]]:
        """Gradients of y0 and of the parameters.

        Args:
            grad_end: (B, *state), gradient of y_end; None is zero.
            grad_saved: (T, B, *state), gradient of the save points; None is zero.
            logged: gradients of the logged events, in the order in which they were noted.
        """
        self._logged = logged
        adjoint, end = Adjoint(grad_end), len(self.recorder.rows)
        with undisturbed(self.recorder.rest.y.device):
            for start in sorted(self.recorder.stored, reverse=True):
                if start < end:
                    adjoint, end = self._pull_back_segment(start, end, adjoint, grad_saved), start
        grad_y0 = adjoint.y
        if grad_saved is not None and self.save_times.first:
            at_start = grad_saved[: self.save_times.first].sum(0)  # these save points are y0 itself
            grad_y0 = at_start if grad_y0 is None else grad_y0 + at_start
        return grad_y0, self.gradients

    def _plan_saves(self) -> list[tuple[np.ndarray, np.ndarray] | None]:
        """For every row the save points inside it, as pairs (index of the time, place of the sample)."""
        following = self.save_times.start(self.recorder.rest.y.shape[0])
        plan = []
        for row in self.recorder.rows:
            due = self.save_times.due(following, row.t_new, row.dt != 0.0)
            if due is not None:
                following += np.bincount(due[1], minlength=following.size)
            plan.append(due)
        return plan

    def _pull_back_segment(self, start: int, end: int, adjoint: Adjoint, grad_saved: Tensor | None) -> Adjoint:
        members = self._members(start, end)
        segment = self._segment(start, end, members)
        part = Adjoint(members.pick(adjoint.y), tuple(members.pick(p) for p in adjoint.memory))
        for number in range(end - 1, start - 1, -1):
            saved = self._saved_in(number, members, grad_saved)
            part, shares = segment.pull_back(number - start, part, saved, self._logged_in(number))
            self._add(shares, members)
        carried = zip_longest(adjoint.memory, part.memory)
        memory = tuple(members.put_back(whole, some) for whole, some in carried)
        return Adjoint(members.put_back(adjoint.y, part.y), memory)

    def _members(self, start: int, end: int) -> Members:
        """The samples that move; all of them where the field cannot be restricted or most move anyway."""
        moving = np.any([row.dt != 0.0 for row in self.recorder.rows[start:end]], axis=0)
        everyone = not self.field.selectable or 2 * np.count_nonzero(moving) >= moving.size
        return Members(np.flatnonzero(moving | everyone), moving.size, self.recorder.rest.y.device)

    def _segment(self, start: int, end: int, members: Members) -> Segment:
        stored, rest, field = self.recorder.stored[start], self.recorder.rest, self.field
        rows = self.recorder.rows[start:end]
        if not members.everyone:
            stored, rest, field = (
                stored.select(members.places),
                rest.select(members.places),
                field.select(members.places),
            )
            rows = [row.select(members.rows) for row in rows]
        leaves = tuple(p.detach().requires_grad_(i in self.wanted) for i, p in enumerate(field.parameters))
        return Segment(field.with_parameters(leaves), self.method, rest, rows, stored, self.wanted, self.events)

    def _logged_in(self, number: int) -> EventGradients | None:
        """Gradients of the events that were noted in one row."""
        row = self.recorder.rows[number]
        count = 0 if row.interruption is None else row.interruption.events()
        if count == 0 or all(gradient is None for gradient in self._logged):
            return None
        t, before, after = (None if g is None else g[row.noted : row.noted + count] for g in self._logged)
        return t, before, after

    def _saved_in(self, number: int, members: Members, grad_saved: Tensor | None) -> Saved | None:
        due = self._due[number]
        if due is None or grad_saved is None:
            return None
        index, sample = due
        places = (torch.from_numpy(values).to(grad_saved.device) for values in (index, sample))
        gradient = grad_saved[tuple(places)]
        return Saved(self.save_times.times[index], np.searchsorted(members.rows, sample), gradient)

    def _add(self, shares: tuple[Tensor | None, ...], members: Members) -> None:
        """Add one row's share to the gradients of the parameters."""
        for i, share in zip(self.wanted, shares, strict=True):
            if share is None:
                continue
            if not members.everyone and self.field.per_sample is not None and self.field.per_sample[i]:
                share = torch.zeros_like(self.field.parameters[i]).index_copy_(0, members.places, share)
            total = self.gradients[i]
            self.gradients[i] = share if total is None else total + share


class Members:
    """The n samples that move in a segment; the others only hand their adjoint on.

    Args:
        rows: (n,) host integers, increasing: their places among the B samples.
        samples: B.
        device: of the states.
    """

    def __init__(self, rows: np.ndarray, samples: int, device: torch.device) -> None:
        self.rows = rows
        self.samples = samples
        self.everyone = rows.size == samples
        self.places = torch.from_numpy(rows).to(device)

    def pick(self, full: Tensor | None) -> Tensor | None:
        """(B, *state) -> (n, *state)."""
        return full if full is None or self.everyone else full.index_select(0, self.places)

    def put_back(self, full: Tensor | None, part: Tensor | None) -> Tensor | None:
        """(n, *state) into a copy of (B, *state); None is zero."""
        if self.everyone:
            return part
        known = part if full is None else full
        if known is None:
            return None
        full = known.new_zeros((self.samples, *known.shape[1:])) if full is None else full
        part = known.new_zeros((self.rows.size, *known.shape[1:])) if part is None else part
        return full.index_copy(0, self.places, part)
