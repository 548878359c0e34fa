"""Save points: values of the interpolant at requested times, without any influence on the steps."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fieldsolver.methods import Method, Step
from fieldsolver.methods.transformed import is_plain

from .arithmetic import masked
from .batch import Batch
from .control import Attempt
from .ledger import Ledger
from .random_numbers import undisturbed
from .save_times import SaveTimes


class SavePoints:
    """Observer that fills `saved` (T, B, *state); what is not reached stays NaN.

    Args:
        save_times: when.
    """

    CHANGING = ("_following", "_walls", "_saved")  # and the pieces, of runs with a graph, which are never held

    def __init__(self, save_times: SaveTimes) -> None:
        self.save_times = save_times
        self._following = np.empty(0, dtype=np.int64)
        self._pieces: list[tuple[np.ndarray, np.ndarray, Tensor]] = []

    def start(self, batch: Batch, method: Method) -> None:
        """Save points at t0 hold the initial state."""
        self._method = method
        self._following = self.save_times.start(batch.rows.size)
        self._walls = self.save_times.walls(self._following)
        self._saved = unreached(self.save_times.times.size, batch.y)
        for i in range(self.save_times.first):
            self._store(np.full(batch.rows.size, i), batch.rows, batch.y)

    def after(self, attempt: Attempt, ledger: Ledger) -> None:
        """Fill the save points that the accepted steps have passed."""
        walls = self._walls if attempt.rows.size == self._walls.size else self._walls[attempt.rows]
        if not self.save_times.any_due(walls, attempt.t_new):
            return
        due = self.save_times.due(self._following[attempt.rows], attempt.t_new, attempt.accepted)
        if due is not None:
            index, sample = due
            times = self.save_times.times[index]
            values = interpolate_at(self._method, attempt, times, sample)
            if self._method.extra_stages:
                inside = np.unique(sample[times != attempt.t_new[sample]])
                ledger.nfev[attempt.rows[inside]] += self._method.extra_stages
            self._store(index, attempt.rows[sample], values)
            self._following[attempt.rows] += np.bincount(sample, minlength=attempt.rows.size)
            self._walls = self.save_times.walls(self._following)

    def result(self) -> Tensor:
        """(T, B, *state)."""
        return scatter(self._saved, self._pieces)

    def _store(self, index: np.ndarray, rows: np.ndarray, values: Tensor) -> None:
        if is_plain(values):
            self._saved.index_put_(_places(values.device, index, rows), values)
        else:  # one write at the end: a chain of in-place writes would cost T copies in backward
            self._pieces.append((index, rows, values))


def interpolate_at(method: Method, attempt: Attempt, times: np.ndarray, sample: np.ndarray) -> Tensor:
    """States (P, *state) of P (time, sample) pairs inside one attempt; a time at the step's end gives y_new itself.

    Stages that only the interpolant needs are evaluated here. If f draws random numbers, those draws leave no trace:
    neither save points nor a repetition of the steps without them may change what follows.
    """
    step, device = attempt.step, attempt.step.y.device
    (places,) = _places(device, sample)
    at_end, cut = times == attempt.t_new[sample], attempt.cut()
    if cut is not None:
        at_end &= ~cut[sample]
    if at_end.all():
        everyone = np.array_equal(sample, np.arange(attempt.rows.size))
        return step.y_new if everyone else step.y_new.index_select(0, places)
    if method.extra_stages:
        with undisturbed(device):
            step = method.extend(attempt.field, step)
    picked = step.select(places)
    values = method.interpolate(picked, _positions(attempt, picked, times, sample, at_end))
    if not at_end.any():
        return values
    return masked(at_end, picked.y_new, values)


def _positions(attempt: Attempt, step: Step, times: np.ndarray, sample: np.ndarray, at_end: np.ndarray) -> Tensor:
    """(P,) where the times lie in their steps, a record (P, ...); they stay where they are if a step moves."""
    theta = np.where(at_end, 1.0, (times - attempt.t[sample]) / attempt.dt[sample])
    position = torch.from_numpy(theta).to(step.y.device, non_blocking=True)
    if is_plain(step.t) and is_plain(step.dt):
        return position
    moving = (torch.from_numpy(times).to(step.t, non_blocking=True) - step.t) / step.dt
    return position + (moving - moving.detach())


def unreached(times: int, y: Tensor) -> Tensor:
    """(T, B, *state) of NaN, like y (B, *state)."""
    nan = complex(float("nan"), float("nan")) if y.is_complex() else float("nan")
    return torch.full((times, *y.shape), nan, dtype=y.dtype, device=y.device)


def scatter(saved: Tensor, pieces: list[tuple[np.ndarray, np.ndarray, Tensor]]) -> Tensor:
    """Put pieces (indices of times, places of samples, states (P, *state)) into (T, B, *state), in one write."""
    if not pieces:
        return saved
    indices, rows, values = zip(*pieces, strict=True)
    return saved.index_put(_places(saved.device, np.concatenate(indices), np.concatenate(rows)), torch.cat(values))


def _places(device: torch.device, *indices: np.ndarray) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(index).to(device, non_blocking=True) for index in indices)
