"""A solution kept as its steps, to be read at another time in every sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fieldsolver.methods import Method, Step
from fieldsolver.stepping import Attempt
from fieldsolver.stepping.batch import Batch
from fieldsolver.stepping.ledger import Ledger
from fieldsolver.stepping.random_numbers import undisturbed


class StoredSolution:
    """Observer that keeps the accepted steps: of each, both ends and all stages.

    Args:
        direction: +1 or -1, the sign of the steps.

    Attributes:
        states: how many states (B, *state) that is, rounded up.
        nfev: evaluations of f, by the whole batch, for the interpolants alone.
    """

    def __init__(self, direction: float) -> None:
        self._direction = direction
        self._steps: list[Step] = []
        self._rows: list[np.ndarray] = []
        self.states = self.nfev = 0

    def start(self, batch: Batch, method: Method) -> None:
        """Note the size of the batch, and the method."""
        self._samples, self._method = batch.rows.size, method

    def after(self, attempt: Attempt, ledger: Ledger) -> None:
        """Keep the steps, with the stages that their interpolants need."""
        with undisturbed(attempt.step.y.device):
            step = self._method.extend(attempt.field, attempt.step)
        self.nfev += self._method.extra_stages
        accepted = np.flatnonzero(attempt.accepted & (attempt.dt != 0.0))
        places = torch.from_numpy(accepted).to(step.y.device)
        self._steps.append(step if accepted.size == attempt.rows.size else step.select(places))
        self._rows.append(attempt.rows[accepted])

    def close(self) -> None:
        """Put the steps together; nothing is added from now on, and a second time does nothing."""
        if not self._steps:
            return
        everything, rows = _Steps(self._steps), np.concatenate(self._rows)
        self.states = -(-rows.size * everything.states // max(self._samples, 1))
        self._everything = everything
        counts = np.bincount(rows, minlength=self._samples)
        order = np.argsort(rows, kind="stable")  # sample after sample, the steps of each in their order
        first = np.cumsum(counts) - counts
        slots = np.arange(rows.size) - np.repeat(first, counts)
        places = np.zeros((self._samples, max(int(counts.max(initial=0)), 1)), dtype=np.int64)
        starts = np.full(places.shape, np.inf)
        where = rows[order], slots
        places[where] = order
        starts[where] = self._direction * everything.t.cpu().numpy()[order]
        device = everything.t.device
        self._places, self._starts = torch.from_numpy(places).to(device), torch.from_numpy(starts).to(device)
        self._of: tuple[Tensor | None, Tensor, Tensor] = (None, self._starts, self._places)
        self._steps, self._rows = [], []

    def __call__(self, t: Tensor, rows: Tensor) -> Tensor:
        """y(t), (n, *state).

        Args:
            t: (n,) float64, times within the steps of the samples.
            rows: (n,) integers, which samples; each must have made a step.
        """
        if rows is not self._of[0]:
            self._of = rows, self._starts.index_select(0, rows), self._places.index_select(0, rows)
        _, starts, places = self._of
        number = torch.searchsorted(starts, (self._direction * t).unsqueeze(1), right=True).sub_(1).clamp_(min=0)
        step = self._everything.select(places.gather(1, number).squeeze(1))
        return self._method.interpolate(step, (t - step.t) / step.dt)


class _Steps:
    """Many steps in a few tensors: what looks like the state is stored as one, and picked by one operation.

    Args:
        steps: some steps each, in their order.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        first = steps[0]
        self._alike = [k.shape == first.y.shape and k.dtype == first.y.dtype for k in first.k]
        self._times = torch.cat([torch.stack([step.t, step.dt], dim=1) for step in steps])
        self._states = torch.cat([torch.stack(self._of_state(step), dim=1) for step in steps])
        others = zip(*(self._further(step) for step in steps), strict=True)
        self._others = [torch.cat(column) for column in others]

    @property
    def t(self) -> Tensor:
        """Where the steps start, (M,) float64."""
        return self._times[:, 0]

    @property
    def states(self) -> int:
        """Number of states kept for each step."""
        return self._states.shape[1]

    def select(self, places: Tensor) -> Step:
        """Some of the steps, as one record."""
        t, dt = self._times.index_select(0, places).unbind(1)
        y, y_new, *alike = self._states.index_select(0, places).unbind(1)
        among, others = iter(alike), iter([other.index_select(0, places) for other in self._others])
        return Step(t, dt, y, y_new, None, [next(among) if same else next(others) for same in self._alike])

    def _of_state(self, step: Step) -> list[Tensor]:
        return [step.y, step.y_new, *(k for k, same in zip(step.k, self._alike, strict=True) if same)]

    def _further(self, step: Step) -> list[Tensor]:
        return [k for k, same in zip(step.k, self._alike, strict=True) if not same]
