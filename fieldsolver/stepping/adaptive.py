"""Steps chosen per sample by the PI controller."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods import Step

from . import controller
from .batch import Batch
from .error_norm import Tolerance, combined, error_norm
from .initial_step import initial_step
from .ledger import Ledger
from .status import Status


class AdaptiveSteps:
    """Error control; every array it keeps is (B,), one entry per sample of the full batch.

    Args:
        t0: start.
        t1: end.
        error_order: order of the method's error estimate.
        rtol: relative tolerance.
        atol: absolute tolerance.
        dt_min: steps are not shortened below this; a sample that fails with it ends.
        dt_max: steps are not lengthened beyond this.
    """

    estimate = True

    def __init__(
        self, t0: float, t1: float, error_order: int, rtol: Tolerance, atol: Tolerance, dt_min: float, dt_max: float
    ) -> None:
        self.t0, self.t1 = t0, t1
        self.direction = 1.0 if t1 >= t0 else -1.0
        self.k = error_order + 1  # the local error is O(h^k)
        self.rtol, self.atol = rtol, atol
        self.dt_min, self.dt_max = dt_min, dt_max
        self.size = np.empty(0)  # |dt| of the next attempt
        self.previous_error = np.empty(0)
        self.just_rejected = np.empty(0, dtype=bool)

    def start(self, batch: Batch, k1: Tensor, ledger: Ledger) -> None:
        """Choose the first steps."""
        if batch.random:
            raise OptionError(
                "f draws random numbers (dropout in training mode?), so its error cannot be estimated; "
                "call .eval() on the module, or give dt= for fixed steps"
            )
        samples = batch.rows.size
        largest = min(abs(self.t1 - self.t0), self.dt_max)
        size = initial_step(batch.field, self.t0, batch.y, k1, largest, self.direction, self.k, self.rtol, self.atol)
        ledger.nfev += ledger.running(batch.rows)
        self.size = np.maximum(size, controller.smallest_step(ledger.t, self.dt_min))
        self.previous_error = np.full(samples, controller.FIRST_PREVIOUS_ERROR)
        self.just_rejected = np.zeros(samples, dtype=bool)

    def propose(self, rows: np.ndarray, ledger: Ledger) -> tuple[np.ndarray, np.ndarray]:
        """The wanted step, or the remainder if the step would nearly reach t1."""
        t, size = ledger.t[rows], self.size[rows]
        remaining = np.abs(self.t1 - t)
        last = np.minimum(size * controller.LAST_STEP_STRETCH, self.dt_max) >= remaining
        dt = np.where(last, self.t1 - t, self.direction * size)
        dt = np.where(ledger.running(rows), dt, 0.0)
        return dt, np.where(last, self.t1, t + dt)

    def judge(self, step: Step, rows: np.ndarray, dt: np.ndarray, ledger: Ledger) -> np.ndarray:
        """Compare the error with the tolerance; choose the next step; the only host read of an attempt."""
        error = self._scaled_error(step)
        moving = dt != 0.0
        accepted = controller.is_acceptable(error) & moving
        rejected = moving & ~accepted
        if accepted.any():
            self._after_acceptance(rows[accepted], np.abs(dt[accepted]), error[accepted], ledger)
        if rejected.any():
            self._after_rejection(rows[rejected], np.abs(dt[rejected]), error[rejected], ledger)
        return accepted

    def _scaled_error(self, step: Step) -> np.ndarray:
        """(n,) float64 on the host; steps without an estimate were refused when the options were checked."""
        if step.error is None:
            raise OptionError("the method made no error estimate; give dt= for fixed steps")
        with torch.no_grad():
            norm = error_norm(step.error, step.y, step.y_new, self.rtol, self.atol)
            if step.coarse_error is not None:
                norm = combined(norm, error_norm(step.coarse_error, step.y, step.y_new, self.rtol, self.atol))
        return norm.to("cpu").numpy().astype(np.float64)

    def _after_acceptance(self, rows: np.ndarray, size: np.ndarray, error: np.ndarray, ledger: Ledger) -> None:
        factor = controller.factor_after_acceptance(error, self.previous_error[rows], self.k)
        factor = np.where(self.just_rejected[rows], np.minimum(factor, 1.0), factor)
        smallest = controller.smallest_step(ledger.t[rows], self.dt_min)
        self.size[rows] = np.minimum(np.maximum(size * factor, smallest), self.dt_max)
        self.previous_error[rows] = controller.remembered_error(error)
        self.just_rejected[rows] = False

    def _after_rejection(self, rows: np.ndarray, size: np.ndarray, error: np.ndarray, ledger: Ledger) -> None:
        smallest = controller.smallest_step(ledger.t[rows], self.dt_min)
        failed = size <= smallest
        ledger.end(rows[failed], np.where(np.isfinite(error[failed]), Status.DT_UNDERFLOW, Status.NON_FINITE))
        self.size[rows] = np.maximum(size * controller.factor_after_rejection(error, self.k), smallest)
        self.just_rejected[rows] = True
