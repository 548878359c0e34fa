"""Steps chosen per sample by a controller that watches the error."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods import Step
from fieldsolver.methods.host_runge_kutta import as_array

from . import scalar_ops, tensor_ops
from .arithmetic import Arithmetic, Array, pick
from .batch import Batch
from .controllers import (
    Controller,
    History,
    factor_after_acceptance,
    factor_after_rejection,
    remember_acceptance,
    remember_rejection,
    restart_history,
    start_history,
)
from .error_norm import Norm, Tolerance, error_norm, host_error_norm, suits_host
from .initial_step import initial_step
from .ledger import Ledger
from .status import Status
from .targets import End, Targets

LAST_STEP_STRETCH = 1.01
"""A step that comes this close to its target is stretched to reach it: no sliver remains."""


SPLITTER = 2.0**29 + 1.0


def shortened(size: Array) -> Array:
    """A step size rounded to 24 bits.

    The last bits of an error norm depend on how a batch is stored and on where it is computed. Sizes without them are
    the same for a sample alone, among others, and on a device, and so are the steps.

    Source: Veltkamp's splitting, Dekker, Numer. Math. 18 (1971) 224-242, section 5.
    """
    large = size * SPLITTER
    return large - (large - size)


class AdaptiveSteps:
    """Error control.

    Args:
        targets: the end, and the times on which steps have to end before.
        error_order: order of the method's error estimate.
        rtol: relative tolerance.
        atol: absolute tolerance.
        controller: the law of the step size.
        dt_min: steps are not shortened below this; a sample that fails with it ends.
        dt_max: steps are not lengthened beyond this.
        first_step: size of the first attempt; None chooses it.
        norm: of the scaled error; None is the root mean square.
        second_norm: of an attempted step, (n,); the larger of the two counts. None: there is no second one.
    """

    estimate = True
    CHANGING = ("targets", "size", "largest", "history")

    def __init__(
        self, targets: Targets | End, error_order: int, rtol: Tolerance, atol: Tolerance, controller: Controller, *,
        dt_min: Array = 0.0, dt_max: Array = np.inf, first_step: float | None = None, norm: Norm | None = None,
        second_norm: Callable[[Step], Tensor] | None = None,
    ) -> None:  # fmt: skip
        self.targets = targets
        self.order = error_order
        self.rtol, self.atol, self.norm, self.second_norm = rtol, atol, norm, second_norm
        self.controller = controller
        self.dt_min, self.dt_max = dt_min, dt_max
        self.first_step = first_step
        self.xp: Arithmetic = np
        self.size: Array = np.empty(0)  # |dt| of the next attempt
        self.largest: Array = dt_max  # what the last event allows

    def start(self, batch: Batch, k1: Tensor, ledger: Ledger) -> None:
        """Choose the first steps."""
        if batch.random:
            raise OptionError(
                "f draws random numbers (dropout in training mode?), so its error cannot be estimated; "
                "call .eval() on the module, or give dt= for fixed steps"
            )
        largest = min(abs(self.targets.t1 - self.targets.t0), self.dt_max)
        if self.first_step is None:
            size = initial_step(
                batch.field, self.targets.t0, batch.y, k1, largest, self.targets.direction, self.order + 1,
                self.rtol, self.atol, self.norm, batch.xp,
            )  # fmt: skip
            size = batch.xp.minimum(shortened(size), largest)
            ledger.nfev += ledger.running(batch.rows)
        else:
            size = batch.xp.full_like(batch.t, min(self.first_step, largest))
        self.begin(batch, size)

    def begin(self, batch: Batch, size: Array) -> None:
        """Set out with steps of these sizes (n,)."""
        self.xp = scalar_ops if batch.xp is np and batch.rows.size == 1 else batch.xp
        self._host_norm = batch.xp is np and suits_host(batch.y, self.rtol, self.atol, self.norm)
        t, furthest = self._lowered(batch.t), max(abs(self.targets.t0), abs(self.targets.t1))
        self._always_enough = max(20.0 * math.ulp(furthest), self.dt_min)  # `_smallest`, wherever t may be
        self.size = self.xp.maximum(self._lowered(size), self._smallest(t))
        self.targets.start(t, self.xp)
        self.history = start_history(self.controller, self.size, self.xp)

    def resume(self, size: Array, history: History, xp: Arithmetic) -> None:
        """Go on with the next sizes (n,) and the history of an earlier run."""
        self.xp, self.size, self.history, self._host_norm = xp, size, history, False

    def propose(self, batch: Batch) -> tuple[Array, Array]:
        """The wanted step, or the remainder if the step would nearly reach its target."""
        xp, t = self.xp, self._lowered(batch.t)
        target = self.targets.target()
        remaining = target - t
        lands = xp.minimum(self.size * LAST_STEP_STRETCH, self.largest) >= xp.abs(remaining)
        dt = self.targets.direction * self.size
        t_new = t + dt
        if xp is not np or lands.any():
            dt, t_new = xp.where(lands, remaining, dt), xp.where(lands, target, t_new)
        dt, t_new = self._lifted(dt), self._lifted(t_new)
        return (dt if batch.all_running else batch.xp.where(batch.running, dt, 0.0)), t_new

    def judge(self, step: Step, batch: Batch, dt: Array) -> tuple[Array, Array | None]:
        """Compare the error with the tolerance and choose the next step; one host read where arrays are on the host."""
        error, k = self._error(step)
        size = self.xp.abs(self._lowered(dt))
        fits = error <= 1.0
        if batch.all_running and (fits if self.xp is scalar_ops else fits.all()):
            self._after_acceptance(size, error, k, self._lowered(batch.t))
            return self._lifted(fits), None
        if self.xp is np:
            return self._sort_out_on_host(size, error, fits, k, batch.t, batch.all_running)
        accepted, failed = self._sort_out(size, error, fits, k, self._lowered(batch.t))
        return self._lifted(accepted), self._lifted(failed) if batch.xp is not np or np.any(failed) else None

    def _after_acceptance(self, size: Array, error: Array, k: Array, t: Array) -> None:
        factor = factor_after_acceptance(self.controller, error, size, self.history, k, self.xp)
        self.size = self._limited(self._uncut(size * factor, size), t)
        self.history = remember_acceptance(self.controller, error, size, self.history, self.xp)

    def _sort_out(self, size: Array, error: Array, fits: Array, k: Array, t: Array) -> tuple[Array, Array]:
        """Some samples are accepted, some rejected, some rest."""
        xp, law = self.xp, self.controller
        moving = size > 0.0
        accepted = fits & moving
        rejected = accepted ^ moving
        growth = factor_after_acceptance(law, error, size, self.history, k, xp)
        shrinkage = factor_after_rejection(law, error, k, xp)
        wanted = xp.where(accepted, self._uncut(size * growth, size), size * shrinkage)
        self.size = xp.where(moving, self._limited(wanted, t), self.size)
        self.history = remember_acceptance(law, error, size, self.history, xp, accepted)
        self.history = remember_rejection(self.history, rejected, xp)
        failed = rejected & (size <= self._smallest(t))
        status = xp.where(xp.isfinite(error), int(Status.DT_UNDERFLOW), int(Status.NON_FINITE))
        return accepted, xp.where(failed, status, 0)

    def _sort_out_on_host(
        self, size: np.ndarray, error: np.ndarray, fits: np.ndarray, k: Array, t: np.ndarray, all_move: bool
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The same for NumPy, where the few rejected samples are looked up."""
        law, moving = self.controller, size > 0.0
        accepted = fits if all_move else fits & moving
        rejected = np.flatnonzero(accepted ^ moving)
        wanted = self._uncut(size * factor_after_acceptance(law, error, size, self.history, k, np), size)
        order = k[rejected] if isinstance(k, np.ndarray) else k
        wanted[rejected] = size[rejected] * factor_after_rejection(law, error[rejected], order, np)
        limited = self._limited(wanted, t)
        self.size = limited if all_move else np.where(moving, limited, self.size)
        self.history = remember_acceptance(law, error, size, self.history, np, accepted)
        self.history.highest_factor[rejected] = 1.0
        failed = rejected[size[rejected] <= self._smallest(t[rejected])]
        if failed.size == 0:
            return accepted, None
        status = np.zeros(size.size, dtype=np.int64)
        status[failed] = np.where(np.isfinite(error[failed]), int(Status.DT_UNDERFLOW), int(Status.NON_FINITE))
        return accepted, status

    def _uncut(self, wanted: Array, size: Array) -> Array:
        """A step that was cut to land on a time says little about how large the next one may be."""
        if self.targets.next is None:
            return wanted
        return self.xp.maximum(wanted, self.xp.where(size < self.size, self.size, 0.0))

    def _limited(self, size: Array, t: Array) -> Array:
        size = shortened(size)
        if self.xp is np and size.min() >= self._always_enough:
            return np.minimum(size, self.largest)
        return self.xp.minimum(self.xp.maximum(size, self._smallest(t)), self.largest)

    def _smallest(self, t: Array) -> Array:
        """The smallest step that still moves t reliably: ten units in its last place, or the user's dt_min."""
        return self.xp.maximum(10.0 * self.xp.spacing(self.xp.abs(t)), self.dt_min)

    def arrived(self, batch: Batch, accepted: Array, t_new: Array) -> None:
        """Head for the next target where a step has ended on this one."""
        if self.targets.next is not None:
            self.targets.arrived(self._lowered(t_new), self._lowered(accepted), self.xp)

    def restart(self, which: Array, largest: Array | None = None) -> None:
        """Their past errors belong to another solution; the size stays as a first guess.

        Args:
            which: (n,) booleans.
            largest: (n,) the largest next steps of the samples, if they are limited.
        """
        which = self._lowered(which)
        self.history = restart_history(self.controller, self.history, which, self.xp)
        if largest is not None:
            self.largest = self.xp.where(which, self.xp.minimum(self._lowered(largest), self.dt_max), self.largest)
            self.size = self.xp.minimum(self.size, self.largest)

    def compact(self, places: np.ndarray) -> None:
        """Keep only these samples."""
        self.targets.compact(places)
        self.size, self.largest = pick(self.size, places), pick(self.largest, places)
        self.history = self.history.map(lambda values: pick(values, places))

    def _error(self, step: Step) -> tuple[Array, Array]:
        """Scaled error of each sample, and one more than the order of its estimate."""
        order = step.error_order
        error: Array
        if self._host_norm:
            error = host_error_norm(step, self.rtol, self.atol)
        else:
            norm = error_norm(step, self.rtol, self.atol, self.norm).double()
            error = norm if self.xp is tensor_ops else as_array(norm)
        if self.second_norm is not None:
            second = self.second_norm(step).double()
            error = torch.maximum(error, second) if self.xp is tensor_ops else np.maximum(error, as_array(second))
        if order is None:
            return self._lowered(error), self.order + 1
        return self._lowered(error), self._lowered(order if self.xp is tensor_ops else as_array(order)) + 1

    def _lowered(self, values: Array) -> Array:
        """The only entry of an array (1,), for the arithmetic of a single sample."""
        return values.item() if self.xp is scalar_ops else values

    def _lifted(self, value: Array) -> Array:
        return np.array([value]) if self.xp is scalar_ops else value
