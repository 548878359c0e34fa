"""States at the starts of rows from the end of the run: reversible steps are undone one after the other."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import FieldSolverWarning, OptionError
from fieldsolver.methods import Memory, Method, ReversibleMethod
from fieldsolver.stepping import Attempt, BackwardStatistics, Status
from fieldsolver.stepping.arithmetic import masked
from fieldsolver.stepping.batch import Batch, finite_samples
from fieldsolver.stepping.ledger import Ledger

from .repetition import Part, Repetition
from .rows import Row, RowStart

TOLERATED = 1e-6
"""Relative distance to the true start beyond which the gradient is not to be trusted; half the digits where that is
more."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Where some of the samples are.

    Attributes:
        rows: (n,) their places in the full batch.
        y: (n, *state).
        memory: what the method carries, tensors (n, ...).
    """

    rows: np.ndarray
    y: Tensor
    memory: Memory

    def at(self, rows: np.ndarray) -> Samples:
        """Those with these places, which must be among them."""
        if rows.size == self.rows.size:
            return self
        places = torch.from_numpy(np.searchsorted(self.rows, rows)).to(self.y.device)
        return Samples(rows, self.y.index_select(0, places), tuple(x.index_select(0, places) for x in self.memory))

    def where(self, mask: np.ndarray, other: Samples) -> Samples:
        """These where the mask (n,) holds, the others elsewhere."""
        pairs = zip((self.y, *self.memory), (other.y, *other.memory), strict=True)
        y, *memory = (masked(mask, a, b) for a, b in pairs)
        return Samples(self.rows, y, tuple(memory))

    @property
    def numbers(self) -> int:
        """How many it holds."""
        return self.y.numel() + sum(tensor.numel() for tensor in self.memory)


@dataclass(frozen=True, slots=True)
class Break:
    """Where steps cannot be undone: an event or a jump, behind which the method has started anew.

    Attributes:
        before: the interrupted samples at the start of that row.
        y_after: (n, *state), where they went on from.
    """

    before: Samples
    y_after: Tensor


class EndRecorder:
    """Observer that keeps where each sample ended, and both sides of each break.

    Attributes:
        ended: samples that were taken out of the batch, and those that were left at the end.
        breaks: by the number of their row.

    Raises:
        OptionError: f draws random numbers.
    """

    holds_end = True

    def __init__(self) -> None:
        self._left: list[Samples] = []
        self.breaks: dict[int, Break] = {}
        self._number = 0
        self._ledger: Ledger | None = None

    def start(self, batch: Batch, method: Method) -> None:
        """Everybody is at the start."""
        if batch.random:
            raise OptionError(
                "f draws random numbers (dropout in training mode?), which gradient='reversible' cannot draw backward; "
                "call .eval() on the module, or use gradient='checkpointed'"
            )
        self._now = Samples(batch.rows, batch.y, batch.memory)

    def after(self, attempt: Attempt, ledger: Ledger) -> None:
        """Keep what the next attempts will not show any more."""
        gone = np.setdiff1d(self._now.rows, attempt.rows, assume_unique=True)
        if gone.size:
            self._left.append(self._now.at(gone))
        found = attempt.interruption
        if found is not None and found.which.any():
            which = np.flatnonzero(found.which)
            y_after = attempt.y.index_select(0, torch.from_numpy(which).to(attempt.y.device))
            self.breaks[self._number] = Break(self._now.at(attempt.rows[which]), y_after)
        self._number, self._ledger = self._number + 1, ledger
        self._now = Samples(attempt.rows, attempt.y, attempt.memory)

    @property
    def ended(self) -> Samples:
        """All samples, each in its place, where they ended."""
        groups = [*self._left, self._now]
        if len(groups) == 1:
            return self._now
        rows = np.concatenate([group.rows for group in groups])
        order = torch.from_numpy(np.argsort(rows)).to(self._now.y.device)
        columns = [(group.y, *group.memory) for group in groups]
        y, *memory = (torch.cat(parts).index_select(0, order) for parts in zip(*columns, strict=True))
        return Samples(np.arange(rows.size), y, tuple(memory))

    def arrived(self) -> Tensor:
        """(B,) booleans on the host: the samples that ended as they should; seldom does anybody ask for others."""
        statuses = [] if self._ledger is None else self._ledger.status.tolist()
        return torch.tensor([Status(value).success for value in statuses], dtype=torch.bool)

    def source(self, repetition: Repetition) -> Reversal:
        """One way back; it leaves what is kept alone."""
        return Reversal(repetition, self)


class Reversal:
    """Undoes the rows of a run.

    Args:
        repetition: knows the rows and the vector field.
        recorder: knows where they led.

    Attributes:
        peak: the states held at most.
        residual: (B,) largest distance between a start that was found again and the true one, relative to the largest
            entry of the state there and at both ends of the run; NaN where no start was looked for.
    """

    def __init__(self, repetition: Repetition, recorder: EndRecorder) -> None:
        self._repetition, self._breaks, self._arrived = repetition, recorder.breaks, recorder.arrived()
        self._now, self._number = recorder.ended, len(repetition.record.rows)
        self._size = torch.maximum(largest(self._now.y), largest(repetition.record.rest.y))
        self._moved, self._lost = np.zeros((2, repetition.record.samples), dtype=bool)
        self.residual = torch.full((repetition.record.samples,), torch.nan, dtype=torch.float64)
        kept = sum(b.before.numbers + b.y_after.numel() for b in recorder.breaks.values())
        # Those of the end, as they were kept and as they go back, and the ones at the breaks.
        self.peak = -(-(2 * self._now.numbers + kept) // max(1, self._now.y.numel()))

    def before(self, number: int) -> RowStart:
        """The start of this row."""
        with torch.no_grad():
            while self._number > number:
                self._number -= 1
                self._undo(self._number)
        if number == 0:
            true, moved = self._repetition.record.rest.y, np.flatnonzero(self._moved)
            places = torch.from_numpy(moved).to(true.device)
            self._compare(moved, self._now.y.index_select(0, places), true.index_select(0, places))
            return RowStart(true, None)
        here = self._now.at(self._repetition.record.rows[number].rows)
        return RowStart(here.y, here.memory)

    def _undo(self, number: int) -> None:
        repetition = self._repetition
        row = repetition.record.rows[number]
        part, here = repetition.part(row), self._now.at(row.rows)
        broken = np.zeros(row.rows.size, dtype=bool) if row.interruption is None else row.interruption.which
        moved = row.dt != 0.0
        self._moved[row.rows] |= moved
        back = self._reversed(row, part, here, moved & ~broken)
        if broken.any():
            at, known = np.flatnonzero(broken), self._breaks[number]
            places = torch.from_numpy(at).to(back.y.device)
            self._compare(row.rows[at], here.y.index_select(0, places), known.y_after)
            parts = zip((back.y, *back.memory), (known.before.y, *known.before.memory), strict=True)
            y, *memory = (whole.index_copy(0, places, own) for whole, own in parts)
            back, self._lost[row.rows[at]] = Samples(row.rows, y, tuple(memory)), False
        self._now = self._put_back(part, back)

    def _reversed(self, row: Row, part: Part, here: Samples, moved: np.ndarray) -> Samples:
        """The samples before their steps; those that did not move wait where f is known to be finite."""
        moved = moved & ~self._lost[row.rows]
        if not moved.any():
            return here
        method, rest, everyone = self._repetition.method, part.rest, bool(moved.all())
        if not isinstance(method, ReversibleMethod):
            raise OptionError(f"method {method.name!r} cannot undo its steps; use gradient='checkpointed'")
        t, dt = np.where(moved, row.t, rest.t), np.where(moved, row.dt, 0.0)
        times, sizes = (torch.from_numpy(values).to(rest.y.device) for values in (t, dt))

        def resting() -> Samples:
            return Samples(row.rows, rest.y, method.start(part.field, times, rest.y, rest.k1))

        start = here if everyone else here.where(moved, resting())
        saved = method.saved_evaluations(start.memory)
        self._repetition.nfev += method.stages - int(saved.min() if isinstance(saved, Tensor) else saved)
        back = Samples(row.rows, *method.reverse(part.field, times, sizes, start.y, start.memory))
        sane = largest(back.y) <= self._size[torch.from_numpy(row.rows)] / torch.finfo(back.y.dtype).eps
        lost = moved & ~(sane.numpy() & finite_samples(*back.memory))
        if lost.any():  # they stay where f is finite, or they would poison the gradients of the parameters: 0 * inf
            self._lost[row.rows[lost]], self.residual[torch.from_numpy(row.rows[lost])] = True, torch.inf
            back = back.where(~lost, resting())
        return back if everyone else back.where(moved, here)

    def _put_back(self, part: Part, some: Samples) -> Samples:
        if part.places is None:
            return some
        whole, places = self._now, part.places
        pairs = zip((whole.y, *whole.memory), (some.y, *some.memory), strict=True)
        y, *memory = (full.index_copy(0, places, own) for full, own in pairs)
        return Samples(whole.rows, y, tuple(memory))

    def _compare(self, rows: np.ndarray, found: Tensor, true: Tensor) -> None:
        """Note by how much some samples (n, *state) were missed."""
        missed = largest(found - true)
        places = torch.from_numpy(rows)
        size = torch.maximum(largest(true), self._size[places])
        relative = torch.where(missed == 0.0, 0.0, missed / size).nan_to_num(nan=torch.inf)
        self.residual[places] = torch.fmax(self.residual[places], relative)

    def report(self, statistics: BackwardStatistics, grad_y0: Tensor | None) -> None:
        """Say by how much the starts were missed, and warn where that is too much and matters."""
        statistics.residual = self.residual
        asked = self._arrived if grad_y0 is None else self._arrived | (largest(grad_y0) != 0.0)
        lost = asked & (self.residual > max(TOLERATED, torch.finfo(self._now.y.dtype).eps ** 0.5))
        if lost.any():
            warnings.warn(
                f"on the way back {int(lost.sum())} of {lost.numel()} sample(s) missed their start by up to "
                f"{float(self.residual[lost].max()):.1e} of their size: the gradient has lost that many digits; use "
                "gradient='checkpointed', or a shorter span",
                FieldSolverWarning,
                stacklevel=2,
            )


def largest(y: Tensor) -> Tensor:
    """(n,) float64 on the host: the largest modulus in each state (n, *state)."""
    return y.abs().reshape(y.shape[0], -1).amax(1).double().cpu()
