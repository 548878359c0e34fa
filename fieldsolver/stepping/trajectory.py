"""What an integration returns."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .dense import DenseOutput
from .events import EventLog
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
        stiffness_ratio: largest h |lambda| over the boundary of stability of the method, averaged over some steps:
            near 1 stability limits the steps, not accuracy. NaN where the method cannot tell.
        stiff_from: the time from which the sample was found stiff; NaN if it was not.
    """

    accepted: Tensor
    rejected: Tensor
    nfev: Tensor
    smallest_dt: Tensor
    largest_dt: Tensor
    stiffness_ratio: Tensor
    stiff_from: Tensor

    @classmethod
    def of(cls, ledger: Ledger, steps: StepLog) -> Statistics:
        """Copy the books, and look up the sizes of the steps."""
        counts = (count.copy() for count in (ledger.accepted, ledger.rejected, ledger.nfev))
        stiffness = (ledger.stiffness.copy(), ledger.stiff_from.copy())
        return cls(*(torch.from_numpy(values) for values in (*counts, *steps.extreme_sizes(), *stiffness)))


@dataclass(slots=True)
class BackwardStatistics:
    """What a backward pass cost and how well it did; it is written when that pass runs, and each pass adds to it.

    Attributes:
        nfev: evaluations of f by the whole batch, recomputation and vector-Jacobian products included.
        peak_states: largest number of states (B, *state) that were kept for it at any time.
        iterations: of the linear solver, for implicit gradients.
        residual: (B,) relative: of the linear system, for implicit gradients; by how much the start was missed when the
            solution was integrated backward, or its steps undone, NaN where nothing was compared; None otherwise.
    """

    nfev: int = 0
    peak_states: int = 0
    iterations: int = 0
    residual: Tensor | None = None


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
        events: what happened when; None if no events were looked for.
        backward: filled when a backward pass runs; None where gradients flow without one of our own.
        residual: (B,) float64, the scaled residual where each sample ended, if the run was to end in steady states.
    """

    saved: Tensor
    y_end: Tensor
    t_end: Tensor
    status: Tensor
    stats: Statistics
    steps: StepLog
    dense: DenseOutput | None
    events: EventLog | None = None
    backward: BackwardStatistics | None = None
    residual: Tensor | None = None
