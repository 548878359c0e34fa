"""The loop itself: propose, try, judge, advance. Steps, errors and outcomes belong to each sample alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fieldsolver.methods import Method

from .batch import Batch, Rest, finite_samples, per_sample_mask
from .control import Attempt, Observer, StepControl
from .ledger import Ledger
from .random_numbers import RandomState
from .status import Status
from .vector_field import VectorField, check_vector_field


def run(
    field: VectorField, method: Method, y0: Tensor, t0: float, t1: float, control: StepControl,
    observers: Sequence[Observer], *, max_steps: int, compact: bool,
) -> tuple[Tensor, Ledger]:  # fmt: skip
    """Integrate until every sample has ended.

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

    Returns:
        The last accepted states (B, *state), and the books.
    """
    batch, k1, ledger = _start(field, y0, t0, t1)
    for observer in observers:
        observer.start(batch, method)
    if ledger.running(batch.rows).any():
        control.start(batch, k1, ledger)
    ended = _EndedSamples()
    while (running := ledger.running(batch.rows)).any():
        if compact and 2 * np.count_nonzero(running) < running.size:
            ended.take(batch, ~running)
            batch.compact(running)
        _attempt(batch, ledger, method, t1, control, observers, max_steps)
    ended.take(batch, np.ones(batch.rows.size, dtype=bool))
    return ended.in_order(), ledger


def _start(field: VectorField, y0: Tensor, t0: float, t1: float) -> tuple[Batch, Tensor, Ledger]:
    generators = RandomState.now(y0.device)
    k1 = check_vector_field(field, t0, y0, finite=False)
    usable = finite_samples(y0, k1)
    ledger = Ledger.open(y0.shape[0], t0)
    ledger.nfev += 1
    if t0 == t1:
        ledger.status[:] = Status.SUCCESS
    ledger.status[~usable] = Status.NON_FINITE
    rest = Rest.at(t0, y0, k1, usable)
    if not usable.all():
        # The first stage once more (not counted) without the states that f cannot take: their graph would hold NaN.
        safe = torch.where(per_sample_mask(usable, y0), y0, rest.y)
        k1 = check_vector_field(field, t0, safe, finite=False)
    return Batch(field, np.arange(y0.shape[0]), y0, k1, rest, random=generators.has_moved()), k1, ledger


def _attempt(
    batch: Batch, ledger: Ledger, method: Method, t1: float, control: StepControl, observers: Sequence[Observer],
    max_steps: int,
) -> None:  # fmt: skip
    rows, t = batch.rows, ledger.t[batch.rows]
    nfev = method.stages - (batch.k1 is not None)
    dt, t_new = control.propose(rows, ledger)
    step = batch.attempt(method, t, dt, estimate=control.estimate)
    accepted = control.judge(step, rows, dt, ledger)
    batch.advance(step, accepted, fsal=method.fsal)
    ledger.book(rows, dt, t_new, accepted, nfev)
    if accepted.any():
        ledger.end(rows[accepted & (t_new == t1)], Status.SUCCESS)
        attempt = Attempt(rows, t, t_new, np.where(accepted, dt, 0.0), accepted, step, batch.field)
        for observer in observers:
            observer.after(attempt, batch, ledger)
    exhausted = ledger.running(rows) & (ledger.accepted[rows] + ledger.rejected[rows] >= max_steps)
    ledger.end(rows[exhausted], Status.MAX_STEPS)


class _EndedSamples:
    """Final states, collected as samples leave the batch."""

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
