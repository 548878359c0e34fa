"""An observer that looks at the stiffness of the steps from time to time."""

from __future__ import annotations

from functools import cache

import numpy as np

from fieldsolver.methods import ExplicitRungeKutta, Method
from fieldsolver.methods.host_runge_kutta import as_array

from .batch import Batch
from .control import Attempt
from .ledger import Ledger
from .stiffness import (
    LOOK_EVERY,
    StiffnessCounter,
    StiffnessProbe,
    any_suspect,
    count,
    start_counter,
    step_times_eigenvalue,
)


class StiffnessWatch:
    """Keeps h|lambda| over the boundary of stability in the books, for methods whose stages can tell.

    It looks at every step while a sample is suspect, else now and then; on a device never, because it would wait.
    """

    CHANGING = ("_counter", "_attempts", "_suspect")

    def start(self, batch: Batch, method: Method) -> None:
        """Know the method's stages."""
        able = isinstance(method, ExplicitRungeKutta) and batch.xp is np
        self._probe = _probe(method) if able and isinstance(method, ExplicitRungeKutta) else None
        counter = start_counter(np.zeros(batch.rows.size), np)
        self._counter = StiffnessCounter(*(values.copy() for values in counter))  # written to sample by sample
        self._attempts, self._suspect = 0, False  # nothing changes between two looks

    def after(self, attempt: Attempt, ledger: Ledger) -> None:
        """Look, if it is time to."""
        self._attempts += 1
        if self._probe is None or not (self._suspect or self._attempts % LOOK_EVERY == 0):
            return
        rows, accepted = attempt.rows, attempt.accepted
        ratio = as_array(step_times_eigenvalue(self._probe, attempt.step).double().cpu()) / self._probe.boundary
        before = StiffnessCounter(*(values[rows] for values in self._counter))
        after = count(before, ratio, accepted, np)
        for whole, part in zip(self._counter, after, strict=True):
            whole[rows] = part
        self._suspect = any_suspect(self._counter)
        ledger.stiffness[rows] = after.peak
        newly = after.detected & ~before.detected
        ledger.stiff_from[rows[newly]] = attempt.t_new[newly]


@cache
def _probe(method: ExplicitRungeKutta) -> StiffnessProbe | None:
    """Exact fractions take longer than a short solve."""
    return StiffnessProbe.of(method.tableau)
