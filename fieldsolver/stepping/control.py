"""What the loop asks of a step-size control, and what it tells its observers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor

from fieldsolver.methods import Method, Step

from .batch import Batch
from .ledger import Ledger
from .vector_field import VectorField


class StepControl(Protocol):
    """Decides on steps; all arrays are on the host and belong to the n samples of the batch.

    Attributes:
        estimate: whether `judge` needs the error estimate.
    """

    estimate: bool

    def start(self, batch: Batch, k1: Tensor, ledger: Ledger) -> None:
        """Look at the initial state; k1 = f(t0, y0), (n, *state)."""
        ...

    def propose(self, rows: np.ndarray, ledger: Ledger) -> tuple[np.ndarray, np.ndarray]:
        """dt (n,) and t_new (n,) of the next attempt; dt = 0 lets a sample rest."""
        ...

    def judge(self, step: Step, rows: np.ndarray, dt: np.ndarray, ledger: Ledger) -> np.ndarray:
        """(n,) booleans: the steps to keep. Closes the books of samples that failed."""
        ...


@dataclass(frozen=True, slots=True)
class Attempt:
    """One pass through the loop in which at least one sample moved.

    Attributes:
        rows: (n,) places of the samples in the full batch.
        t: (n,) where they started.
        t_new: (n,) where they arrived, if accepted.
        dt: (n,) signed sizes of the accepted steps, 0 for the others.
        accepted: (n,) booleans.
        step: the numbers.
        field: the right-hand side of these samples, for the stages that only an interpolant needs.
    """

    rows: np.ndarray
    t: np.ndarray
    t_new: np.ndarray
    dt: np.ndarray
    accepted: np.ndarray
    step: Step
    field: VectorField


class Observer(Protocol):
    """Sees the accepted steps and never changes them: save points, logs, checkpoints, callbacks."""

    def start(self, batch: Batch, method: Method) -> None:
        """Called once, at the initial state."""
        ...

    def after(self, attempt: Attempt, batch: Batch, ledger: Ledger) -> None:
        """Called after each attempt with an accepted step; the batch has advanced already."""
        ...
