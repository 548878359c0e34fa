"""The loop itself: propose, try, judge, advance. Steps, errors and outcomes belong to each sample alone.

On the host every attempt is settled at once. On a device the decisions stay there: a chunk of attempts is made without
waiting, then one read brings their times and outcomes to the host, where the books and the observers follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from fieldsolver.methods import Method, Step
from fieldsolver.methods.compiled import load_kernels
from fieldsolver.methods.host_runge_kutta import as_array, on_host
from fieldsolver.methods.transformed import is_plain

from .arithmetic import Array, arithmetic_on, masked
from .batch import Batch, Rest, finite_samples
from .control import Attempt, Observer, StepControl
from .ends import Ends, differentiable_zero, stretched
from .interruption import Interrupter, Interruption, go_on
from .ledger import Ledger
from .random_numbers import RandomState
from .status import Status
from .steady_watch import SteadyWatch
from .vector_field import VectorField, check_vector_field, refuse_reused_memory

CHUNK = 16
"""Attempts between two host reads on a device."""
CHUNK_BYTES = 64 * 2**20
"""What the stages of a chunk may take; large states make shorter chunks, whose waits cost them nothing."""

PATIENCE = 300
"""Attempts of one run after which the compiled loops are loaded, which takes about a second. They give the same numbers
as NumPy, so it does not matter which runs of a process have them."""


class Run:
    """One integration, advanced attempt by attempt.

    Args:
        field: the right-hand side.
        method: the scheme.
        y0: (B, *state), initial states.
        t0: start.
        t1: end.
        control: chooses and judges the steps.
        observers: see the accepted steps.
        max_steps: attempts per sample.
        compact: whether ended samples may be taken out of the batch.
        interrupter: looks for events and jumps; None without any.
        chunk: attempts between two host reads; None chooses: 1 on the host.
        fused: whether the method may take its form for small states on the host, which leaves no graph.
        steady: ends samples that are at rest; None lets them all run to t1.
        ends: t0 and t1 with their graph; None: nobody differentiates with respect to them.

    Attributes:
        batch: the samples that are still being worked on.
        ledger: the books of all samples.
    """

    CHANGING = (
        "batch", "ledger", "control", "interrupter", "observers", "_attempts", "_open", "_unsure", "_ended",
        "_first_rate", "steady",
    )  # fmt: skip

    def __init__(
        self, field: VectorField, method: Method, y0: Tensor, t0: float, t1: float, control: StepControl,
        observers: Sequence[Observer], *, max_steps: int, compact: bool,
        interrupter: Interrupter | None = None, chunk: int | None = None, fused: bool = False,
        steady: SteadyWatch | None = None, ends: Ends | None = None,
    ) -> None:  # fmt: skip
        self._end_offset = None if ends is None else differentiable_zero(ends.t1, y0.device)
        self.t1, self.control, self.observers = t1, control, tuple(observers)
        self.max_steps, self.compact, self.interrupter, self.steady = max_steps, compact, interrupter, steady
        self.batch, k1, self.ledger = _start(field, method, y0, t0, t1, ends)
        self._first_rate: tuple[Tensor, Tensor] | None = (k1, k1.detach().clone())
        self.method = on_host(method, y0, k1) if fused else method
        self.batch.plain = self.method is not method
        self._patience = PATIENCE if self.batch.plain else None
        self.chunk = self._chunk(y0) if chunk is None else chunk
        self._attempts = 0
        self._open = self._unsure = True  # whether samples are running, and whether that may have changed
        self._ended = _EndedSamples()
        for observer in observers:
            observer.start(self.batch, method)
        if self.running():
            control.start(self.batch, k1, self.ledger)
        if interrupter is not None:
            interrupter.start(self.batch)
        if steady is not None:
            steady.start(self.batch, self.method)

    def running(self) -> bool:
        """Whether any sample is still being integrated."""
        if self._unsure:
            self._open, self._unsure = bool((self.ledger.status == Status.RUNNING).any()), False
        return self._open

    def advance(self) -> None:
        """One chunk of attempts."""
        if self.compact and not self.batch.all_running:
            self._compact()
        if self._patience is not None and self._attempts >= self._patience:
            load_kernels()
            self._patience = None
        attempts = [self._attempt() for _ in range(min(self.chunk, self.max_steps - self._attempts))]
        for attempt in attempts if self.batch.xp is np else _to_host(attempts):
            self._settle(attempt)

    def abandon(self) -> None:
        """End what still runs, where it is."""
        running = self.ledger.running(np.arange(self.ledger.status.size))
        self.ledger.end(np.flatnonzero(running), Status.INTERRUPTED)

    def finish(self) -> Tensor:
        """The last accepted states (B, *state)."""
        self._ended.take(self.batch, np.ones(self.batch.rows.size, dtype=bool))
        return self._ended.in_order()

    def _attempt(self) -> Attempt:
        """Without any host read on a device."""
        batch, control, method = self.batch, self.control, self.method
        t = batch.t
        self._attempts += 1
        dt, t_new = control.propose(batch)
        saved = method.saved_evaluations(batch.memory)
        nfev = method.stages - (as_array(saved) if isinstance(saved, Tensor) else saved)
        generators = RandomState.now(batch.y.device) if batch.random else None
        stretch = None if self._end_offset is None else stretched(self._end_offset, batch.upload(t_new == self.t1))
        step = batch.attempt(method, dt, estimate=control.estimate, stretch=stretch)
        if self._first_rate is not None:
            refuse_reused_memory(*self._first_rate)
            self._first_rate = None
        accepted, failed = control.judge(step, batch, dt)
        everyone = batch.xp is np and bool(accepted.all())
        if not everyone and batch.xp is np and not is_plain(step.y_new):
            step = self._without_rejected(step, dt, accepted, generators, stretch)
        attempt = Attempt(
            batch.rows, t, t_new, dt, accepted, failed, step, batch.y, batch.memory, batch.field, nfev, None, everyone,
            generators,
        )  # fmt: skip
        interruption = self._interrupt(attempt) if self.interrupter is not None else None
        if self.steady is not None:
            attempt.nfev = nfev + self.steady.evaluations
            self.steady.examine(attempt, batch)
        batch.advance(step, accepted, attempt.t_new, everyone)
        control.arrived(batch, accepted, attempt.t_new)
        if interruption is not None:
            self._go_on(interruption)
        attempt.y, attempt.memory = batch.y, batch.memory
        if batch.xp is not np:
            batch.stop((accepted & (attempt.t_new == self.t1)) | (attempt.failed != 0))
        return attempt

    def _without_rejected(
        self, step: Step, dt: np.ndarray, accepted: np.ndarray, generators: RandomState | None, stretch: Tensor | None
    ) -> Step:
        """The step once more, with a graph that knows nothing of rejected samples.

        Their stages may be infinite, or differentiable nowhere, and then poison the gradient of parameters: 0 * inf is
        NaN. They rest instead.
        """
        if not (accepted.any() and ((dt != 0.0) & ~accepted).any()):
            return step
        if generators is not None:
            generators.restore()
        dt = np.where(accepted, dt, 0.0)
        return self.batch.attempt(self.method, dt, estimate=False, some_rest=True, stretch=stretch)

    def _interrupt(self, attempt: Attempt) -> Interruption | None:
        """Cut the steps in which something happens."""
        if self.interrupter is None or not attempt.accepted.any():
            return None
        seen = attempt if self.batch.xp is np else _to_host([attempt])[0]
        self.ledger.nfev[seen.rows] += self.interrupter.evaluations * seen.accepted
        interruption = self.interrupter.examine(seen)
        attempt.interruption = interruption
        if interruption is None or not interruption.which.any():
            return None
        attempt.t_new = self.batch.array(np.where(interruption.which, interruption.t, seen.t_new))
        if interruption.status is not None:
            failed = 0 if seen.failed is None else seen.failed
            ends = interruption.which & (interruption.status != 0)
            attempt.failed = self.batch.array(np.where(ends, interruption.status, failed))
        return interruption

    def _go_on(self, interruption: Interruption) -> None:
        """Set the interrupted samples to where they go on from, without a past."""
        batch, which = self.batch, interruption.which
        go_on(batch, self.method, interruption)
        if batch.memory:
            self.ledger.nfev[batch.rows[which]] += 1
        largest = interruption.largest_dt
        self.control.restart(batch.array(which), None if largest is None else batch.array(largest))

    def _settle(self, attempt: Attempt) -> None:
        """Books and observers of one attempt."""
        ledger, rows, accepted = self.ledger, attempt.rows, attempt.accepted
        ledger.book(rows, attempt.booked_dt(), attempt.t_new, accepted, attempt.nfev, attempt.everyone)
        ended = attempt.t_new == self.t1
        if not attempt.everyone:
            ended &= accepted
        any_ended = ended.any()
        if any_ended:
            ledger.end(rows[ended], Status.SUCCESS)
        if attempt.failed is not None:
            gone = attempt.failed != 0
            ledger.end(rows[gone], attempt.failed[gone])
        if attempt.everyone or accepted.any():
            for observer in self.observers:
                observer.after(attempt, ledger)
        self._unsure |= bool(any_ended) or attempt.failed is not None
        if self._attempts >= self.max_steps:
            self._unsure = True
            tries = ledger.accepted[rows] + ledger.rejected[rows]
            exhausted = ledger.running(rows) & (tries >= self.max_steps)
            ledger.end(rows[exhausted], Status.MAX_STEPS)
        if self.batch.xp is np and (any_ended or attempt.failed is not None or self._attempts >= self.max_steps):
            self.batch.stop(~ledger.running(rows))

    def _compact(self) -> None:
        """Take ended samples out once they are the majority."""
        running = self.ledger.running(self.batch.rows)
        if 2 * np.count_nonzero(running) < running.size:
            self._ended.take(self.batch, ~running)
            self.batch.compact(running)
            self.control.compact(np.flatnonzero(running))

    def _chunk(self, y0: Tensor) -> int:
        if self.batch.xp is np or self.interrupter is not None:
            return 1
        largest = CHUNK_BYTES // max(1, y0.numel() * y0.element_size() * (self.method.stages + 3))
        return max(1, min(CHUNK, largest))


def _start(
    field: VectorField, method: Method, y0: Tensor, t0: float, t1: float, ends: Ends | None
) -> tuple[Batch, Tensor, Ledger]:
    generators = RandomState.now(y0.device)
    offset = None if ends is None else differentiable_zero(ends.t0, y0.device).expand(y0.shape[0])
    k1 = check_vector_field(field, t0, y0, finite=False, offset=offset)
    usable = finite_samples(y0, k1)
    ledger = Ledger.open(y0.shape[0], t0)
    ledger.nfev += 1
    if t0 == t1:
        ledger.status[:] = Status.SUCCESS
    ledger.status[~usable] = Status.NON_FINITE
    rest = Rest.at(t0, y0, k1, usable)
    if not usable.all():
        # The first stage once more (not counted) without the states that f cannot take: their graph would hold NaN.
        k1 = check_vector_field(field, t0, masked(usable, y0, rest.y), finite=False, offset=offset)
    xp = arithmetic_on(y0.device)
    random = generators.has_moved()
    times = torch.full((y0.shape[0],), t0, dtype=torch.float64, device=y0.device)
    memory = method.start(field, times if offset is None else times + offset, y0, k1)
    t: Array = np.full(y0.shape[0], t0) if xp is np else times
    batch = Batch(field, np.arange(y0.shape[0]), t, y0, memory, rest, xp, random=random)
    batch.offset = offset
    batch.stop(batch.array(ledger.status != Status.RUNNING))
    return batch, k1, ledger


def _to_host(attempts: Sequence[Attempt]) -> list[Attempt]:
    """The same attempts with their numbers on the host, by one read."""
    rows = [(a.t, a.t_new, a.dt, a.accepted, torch.zeros_like(a.t) if a.failed is None else a.failed) for a in attempts]
    numbers = torch.stack([torch.stack([column.double() for column in row]) for row in rows])
    return [
        replace(attempt, t=t, t_new=t_new, dt=dt, accepted=accepted != 0.0, failed=failed.astype(np.int64))
        for attempt, (t, t_new, dt, accepted, failed) in zip(attempts, numbers.cpu().numpy(), strict=True)
    ]


class _EndedSamples:
    """Final states, collected as samples leave the batch."""

    CHANGING = ("_rows", "_states")

    def __init__(self) -> None:
        self._rows: list[np.ndarray] = []
        self._states: list[Tensor] = []

    def take(self, batch: Batch, which: np.ndarray) -> None:
        """Take the states of the samples where `which` (n,) holds."""
        self._rows.append(batch.rows[which])
        places = torch.from_numpy(np.flatnonzero(which)).to(batch.y.device)
        self._states.append(batch.y if which.all() else batch.y.index_select(0, places))

    def in_order(self) -> Tensor:
        """(B, *state), each sample in its place."""
        if len(self._states) == 1:
            return self._states[0]
        states = torch.cat(self._states)
        places = torch.from_numpy(np.argsort(np.concatenate(self._rows))).to(states.device)
        return states.index_select(0, places)
