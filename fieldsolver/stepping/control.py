"""What the loop asks of a step-size control, and what it tells its observers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from torch import Tensor

from fieldsolver.methods import Memory, Method, Step

from .arithmetic import Array
from .batch import Batch
from .ledger import Ledger
from .random_numbers import RandomState
from .vector_field import VectorField

if TYPE_CHECKING:
    from .interruption import Interruption


class StepControl(Protocol):
    """Decides on steps; all arrays are (n,) and belong to the samples of the batch, in its arithmetic.

    Attributes:
        estimate: whether `judge` needs the error estimate.
    """

    estimate: bool

    def start(self, batch: Batch, k1: Tensor, ledger: Ledger) -> None:
        """Look at the initial state; k1 = f(t0, y0), (n, *state)."""
        ...

    def propose(self, batch: Batch) -> tuple[Array, Array]:
        """dt and t_new of the next attempt; dt = 0 lets a sample rest."""
        ...

    def judge(self, step: Step, batch: Batch, dt: Array) -> tuple[Array, Array | None]:
        """The steps to keep (booleans), and the `Status` of samples that end here without arriving, else 0.

        None instead of the latter: nobody ends.
        """
        ...

    def arrived(self, batch: Batch, accepted: Array, t_new: Array) -> None:
        """Where the accepted steps have ended."""
        ...

    def restart(self, which: Array, largest: Array | None = None) -> None:
        """Forget the past of some samples: their state was changed, or f is discontinuous where they are.

        `largest` (n,) bounds their next steps.
        """
        ...

    def compact(self, places: np.ndarray) -> None:
        """Keep only these samples."""
        ...


@dataclass(slots=True)
class Attempt:
    """One pass through the loop; arrays (n,) are on the host when observers see them.

    Attributes:
        rows: places of the samples in the full batch.
        t: where they started.
        t_new: where they arrived, if accepted.
        dt: signed sizes of the steps that were tried, 0 for samples that rested.
        accepted: booleans.
        failed: `Status` of samples that ended without arriving, else 0; None if nobody did.
        step: the numbers.
        y: (n, *state), the states after the attempt.
        memory: what the method carries after the attempt.
        field: the right-hand side of these samples, for the stages that only an interpolant needs.
        nfev: evaluations of f in this attempt, or (n,) of them.
        interruption: what cut some of the steps short: their y_new lies beyond `t_new`, which is inside the step.
        everyone: True where all steps are known to be accepted; False says nothing.
        generators: random numbers before the attempt; None where f draws none.
    """

    rows: np.ndarray
    t: Array
    t_new: Array
    dt: Array
    accepted: Array
    failed: Array | None
    step: Step
    y: Tensor
    memory: Memory
    field: VectorField
    nfev: int | np.ndarray = 0
    interruption: Interruption | None = None
    everyone: bool = False
    generators: RandomState | None = None

    def booked_dt(self) -> np.ndarray:
        """(n,) signed sizes, those of cut steps up to where they were cut."""
        if self.interruption is None:
            return self.dt
        return np.where(self.interruption.which, self.t_new - self.t, self.dt)

    def cut(self) -> np.ndarray | None:
        """(n,) booleans: the samples that did not go to the end of their step; None: all of them did."""
        return None if self.interruption is None else self.interruption.which & (self.interruption.theta < 1.0)

    def accepted_dt(self) -> np.ndarray:
        """(n,) signed sizes of the accepted steps, 0 for the other samples."""
        return self.dt if self.everyone or self.accepted.all() else np.where(self.accepted, self.dt, 0.0)


class Observer(Protocol):
    """Sees the accepted steps and never changes them: save points, logs, checkpoints, callbacks."""

    def start(self, batch: Batch, method: Method) -> None:
        """Called once, at the initial state."""
        ...

    def after(self, attempt: Attempt, ledger: Ledger) -> None:
        """Called after each attempt with an accepted step."""
        ...
