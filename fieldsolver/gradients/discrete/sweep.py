"""The backward sweep of a solve: row by row, from the last one to the first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fieldsolver.stepping.random_numbers import undisturbed
from fieldsolver.stepping.save_times import SaveTimes

from .repetition import Part, Repetition
from .row_adjoint import Adjoint, Arriving, EventGradients, Saved, Totals, pull_back
from .states import StateSource


class SweepResult(NamedTuple):
    """Gradients; None is zero.

    Attributes:
        y0: (B, *state).
        parameters: of all parameters, those that are not wanted included.
        t0: ().
        t1: ().
    """

    y0: Tensor | None
    parameters: list[Tensor | None]
    t0: Tensor | None
    t1: Tensor | None


class Sweep:
    """Carries the adjoint from the end of a solve to its start.

    Args:
        repetition: makes the rows again.
        source: knows the states at their starts.
        save_times: the save points of the run.
        ends_wanted: whether gradients of t0 and t1 are needed.
    """

    def __init__(
        self, repetition: Repetition, source: StateSource, save_times: SaveTimes, *, ends_wanted: bool = False
    ) -> None:
        self._repetition, self._source, self._save_times = repetition, source, save_times
        self._rows, self._ends_wanted = repetition.record.rows, ends_wanted
        self._due = self._plan_saves()

    def run(
        self, grad_end: Tensor | None, grad_saved: Tensor | None, logged: EventGradients = (None, None, None)
    ) -> SweepResult:
        """All gradients.

        Args:
            grad_end: (B, *state), gradient of y_end.
            grad_saved: (T, B, *state), gradient of the save points.
            logged: gradients of the logged events, in the order in which they were noted.
        """
        repetition, self._saved, self._logged = self._repetition, grad_saved, logged
        whole, adjoint, part = Adjoint(grad_end), Adjoint(None), None
        totals: Totals = [None] * (1 + len(repetition.wanted))
        with undisturbed(repetition.record.rest.y.device):
            for number in range(len(self._rows) - 1, -1, -1):
                now = repetition.part(self._rows[number])
                if now is not part:
                    whole, totals = self._put_back(part, whole, adjoint, totals)
                    adjoint, totals = self._pick(now, whole, totals)
                    part = now
                arriving = self._arriving(number)
                if not (adjoint.zero and arriving.nothing):
                    start = self._source.before(number)
                    adjoint, totals = pull_back(repetition, number, start, adjoint, arriving, totals)
            whole, totals = self._put_back(part, whole, adjoint, totals)
        return self._result(whole, totals)

    def _plan_saves(self) -> list[_Due | None]:
        """For every row the save points inside it."""
        following = self._save_times.start(self._repetition.record.samples)
        walls = self._save_times.walls(following)
        plan: list[_Due | None] = []
        for row in self._rows:
            due = None
            if self._save_times.any_due(walls[row.rows], row.t_new):
                due = self._save_times.due(following[row.rows], row.t_new, row.dt != 0.0)
            if due is None:
                plan.append(None)
                continue
            index, sample = due
            times = self._save_times.times[index]
            inside = row.interruption is not None or bool((times != row.t_new[sample]).any())
            plan.append(_Due(index, sample, row.rows[sample], times, inside))
            following[row.rows] += np.bincount(sample, minlength=row.rows.size)
            walls = self._save_times.walls(following)
        return plan

    def _arriving(self, number: int) -> Arriving:
        repetition, row = self._repetition, self._rows[number]
        return Arriving(
            saved=self._saved_in(number),
            logged=self._logged_in(number),
            carries_on=repetition.can_omit and number > 0 and self._carries_on(number),
            last_rate=not repetition.can_omit or self._reads_last_rate(number),
            moves_end=self._ends_wanted and bool(row.arriving(repetition.t1).any()),
        )

    def _carries_on(self, number: int) -> bool:
        """Whether the last derivative of the row before is made anyway, for every sample that moves in this one."""
        if not self._reads_last_rate(number - 1):
            return False
        before, row = self._rows[number - 1], self._rows[number]
        movers = np.searchsorted(before.rows, row.rows[row.dt != 0.0])
        return bool((before.dt[movers] != 0.0).all())

    def _reads_last_rate(self, number: int) -> bool:
        """Whether dense output needs the last derivative of a row."""
        due = self._due[number]
        return self._rows[number].events() > 0 or (self._saved is not None and due is not None and due.inside)

    def _saved_in(self, number: int) -> Saved | None:
        due = self._due[number]
        if due is None or self._saved is None:
            return None
        device = self._saved.device
        places = (torch.from_numpy(values).to(device, non_blocking=True) for values in (due.index, due.row))
        return Saved(due.times, due.sample, self._saved[tuple(places)], due.inside)

    def _logged_in(self, number: int) -> EventGradients | None:
        """Gradients of the events that were noted in one row."""
        row = self._rows[number]
        count = row.events()
        if count == 0 or all(gradient is None for gradient in self._logged):
            return None
        t, before, after = (None if g is None else g[row.noted : row.noted + count] for g in self._logged)
        return t, before, after

    def _pick(self, part: Part, whole: Adjoint, totals: Totals) -> tuple[Adjoint, Totals]:
        """From all samples to those of a row."""
        adjoint = Adjoint(part.pick(whole.y), tuple(map(part.pick, whole.memory)), part.pick(whole.offset))
        own = (part.pick(total) if by_sample else total for total, by_sample in self._by_sample(totals))
        return adjoint, [*own, totals[-1]]

    def _put_back(self, part: Part | None, whole: Adjoint, adjoint: Adjoint, totals: Totals) -> tuple[Adjoint, Totals]:
        """The other way."""
        if part is None:
            return whole, totals

        def full(before: Tensor | None, own: Tensor | None) -> Tensor | None:
            return part.put_back(before, own, self._repetition.record.samples)

        memory = tuple(full(*pair) for pair in zip_longest(whole.memory, adjoint.memory))
        put = (full(None, total) if by_sample else total for total, by_sample in self._by_sample(totals))
        return Adjoint(full(whole.y, adjoint.y), memory, full(whole.offset, adjoint.offset)), [*put, totals[-1]]

    def _by_sample(self, totals: Totals) -> Iterator[tuple[Tensor | None, bool]]:
        """Each total of a parameter, and whether there is one value per sample."""
        flags = self._repetition.field.per_sample
        wanted = zip(self._repetition.wanted, totals, strict=False)
        return ((total, flags is not None and flags[i]) for i, total in wanted)

    def _result(self, whole: Adjoint, totals: Totals) -> SweepResult:
        grad_y0, first = whole.y, self._save_times.first
        if self._saved is not None and first:
            at_start = self._saved[:first].sum(0)  # these save points are y0 itself
            grad_y0 = at_start if grad_y0 is None else grad_y0 + at_start
        parameters: list[Tensor | None] = [None] * len(self._repetition.field.parameters)
        for place, total in zip(self._repetition.wanted, totals, strict=False):
            parameters[place] = total
        return SweepResult(grad_y0, parameters, None if whole.offset is None else whole.offset.sum(), totals[-1])


@dataclass(frozen=True, slots=True)
class _Due:
    """P save points in one row: which times, which samples (in the row and in the batch), and whether dense output."""

    index: np.ndarray
    sample: np.ndarray
    row: np.ndarray
    times: np.ndarray
    inside: bool
