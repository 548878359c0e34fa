"""Dense output: the solution at any time of the span, from the records of the accepted steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods import Method

from .batch import Batch
from .control import Attempt
from .ledger import Ledger
from .save_times import SaveTimes
from .saving import SavePoints


class DenseOutput:
    """Callable t -> states; it keeps every accepted step, stages included. Its order is the interpolant's.

    Methods with extra stages for their interpolant evaluate f again, at each call, in the steps that are asked for.

    Args:
        t0: start of the integration.
        t1: end of the integration.
    """

    def __init__(self, t0: float, t1: float) -> None:
        self.t0, self.t1 = t0, t1
        self._attempts: list[Attempt] = []

    def start(self, batch: Batch, method: Method) -> None:
        """Keep the initial state."""
        self._method = method
        self._first = Batch(batch.field, batch.rows, batch.t, batch.y, (), batch.rest, batch.xp)

    def after(self, attempt: Attempt, ledger: Ledger) -> None:
        """Keep the step."""
        self._attempts.append(replace(attempt, step=replace(attempt.step, error=None, coarse_error=None), memory=()))
        self._ledger = ledger

    def __call__(self, t: float | Tensor) -> Tensor:
        """Evaluate.

        Args:
            t: a number or scalar tensor, or times (T,) in any order.

        Returns:
            (B, *state) for a scalar, (T, B, *state) for times; NaN for samples that had ended before.

        Raises:
            OptionError: a time outside the span.
        """
        asked = torch.as_tensor(t, dtype=torch.float64).detach().cpu()
        times = asked.reshape(-1).numpy()
        low, high = min(self.t0, self.t1), max(self.t0, self.t1)
        if asked.dim() > 1 or not ((times >= low) & (times <= high)).all():
            raise OptionError(f"dense output was asked for t = {t}, expected times within [{low}, {high}]")
        order = np.argsort(times if self.t1 >= self.t0 else -times, kind="stable")
        values = self._in_order(times[order])
        original = torch.from_numpy(np.argsort(order)).to(values.device)
        return values.index_select(0, original) if asked.dim() else values[0]

    def _in_order(self, times: np.ndarray) -> Tensor:
        """(T, B, *state): the run once more, as its save points would have seen it."""
        saves = SavePoints(SaveTimes(times, self.t0, self.t1))
        saves.start(self._first, self._method)
        for attempt in self._attempts:
            saves.after(attempt, self._ledger)
        return saves.result()
