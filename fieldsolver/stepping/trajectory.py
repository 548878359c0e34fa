"""What an integration returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .dense import DenseOutput
from .ledger import Ledger
from .step_log import StepLog


@dataclass(frozen=True, slots=True)
class Statistics:
    """Costs of B samples; every tensor is (B,) on the CPU.

    Attributes:
        accepted: steps kept.
        rejected: steps thrown away.
        nfev: evaluations of f.
        smallest_dt: size of the smallest accepted step; NaN without any.
        largest_dt: size of the largest accepted step; NaN without any.
    """

    accepted: Tensor
    rejected: Tensor
    nfev: Tensor
    smallest_dt: Tensor
    largest_dt: Tensor

    @classmethod
    def of(cls, ledger: Ledger) -> Statistics:
        """Copy the books."""
        stepped = ledger.accepted > 0
        sizes = (np.where(stepped, size, np.nan) for size in (ledger.smallest_dt, ledger.largest_dt))
        counts = (count.copy() for count in (ledger.accepted, ledger.rejected, ledger.nfev))
        return cls(*(torch.from_numpy(values) for values in (*counts, *sizes)))


@dataclass(frozen=True, slots=True)
class Trajectory:
    """The solution of B samples.

    Attributes:
        saved: (T, B, *state), states at the save points; NaN where a sample did not get that far.
        y_end: (B, *state), the last accepted states.
        t_end: (B,) float64, where they are.
        status: (B,) int64, `Status` of each sample.
        stats: costs.
        steps: the accepted steps, for `replay=`.
        dense: the solution as a function of time, if it was asked for.
    """

    saved: Tensor
    y_end: Tensor
    t_end: Tensor
    status: Tensor
    stats: Statistics
    steps: StepLog
    dense: DenseOutput | None
