"""The loop's question after every step: is this sample at rest?"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods import Method, ReversibleMethod, Step
from fieldsolver.methods.host_runge_kutta import as_array

from .arithmetic import Array
from .batch import Batch
from .control import Attempt
from .error_norm import Tolerance
from .status import Status
from .steady import error_of_way, scaled_residual


class SteadyWatch:
    """Ends the samples that are at rest, and notes the residual of all.

    The rate at the end of a step is the last stage of a method that passes it on to the next step; of the others f is
    evaluated once more. On a device nothing is read back.

    Args:
        rtol: relative tolerance of the rate, per time.
        atol: absolute tolerance of the rate, state per time.
        t1: end of the run; who arrives there is not at rest.
        stops: whether samples end; a repeated run knows where they do.

    Attributes:
        evaluations: evaluations of f in every attempt.
    """

    CHANGING = ("_residual",)

    def __init__(self, rtol: Tolerance, atol: Tolerance, t1: float, *, stops: bool) -> None:
        self._rtol, self._atol, self._t1, self._stops = rtol, atol, t1, stops
        self.evaluations = 0

    def start(self, batch: Batch, method: Method) -> None:
        """Nothing is known yet.

        Raises:
            OptionError: f draws random numbers, and so is never at rest.
        """
        if batch.random:
            raise OptionError(
                "f draws random numbers (dropout in training mode?) and is never at rest; call .eval() on the module, "
                "or leave until= out"
            )
        # The last stage of a reversible method is f at its second approximation, not at y.
        self._xp, self._has_rate = batch.xp, method.fsal and not isinstance(method, ReversibleMethod)
        self.evaluations = 0 if self._has_rate else 1
        self._residual = batch.xp.full_like(batch.t, np.nan)

    def examine(self, attempt: Attempt, batch: Batch) -> None:
        """Look at where the accepted steps have ended; one that was cut, or ends at a jump of f, tells nothing."""
        xp, residual = self._xp, self._measure(attempt, batch)
        looked = attempt.accepted
        if attempt.interruption is not None:
            looked = looked & ~batch.array(attempt.interruption.which)
        self._note(attempt.rows, residual, looked)
        if not self._stops:
            return
        arrived = attempt.accepted & (attempt.t_new == self._t1)
        at_rest = looked & (residual <= 1.0)
        if xp is np and not (at_rest.any() or arrived.any()):
            return
        ended = xp.where(at_rest, int(Status.STEADY), xp.where(arrived, int(Status.NOT_STEADY), 0))
        failed = xp.zeros_like(ended) if attempt.failed is None else attempt.failed
        attempt.failed = xp.where(failed != 0, failed, ended)

    def error_norm(self, step: Step) -> Tensor:
        """(n,) of an attempted step: what adaptive steps are held to besides the tolerances of the solve."""
        return error_of_way(step, self._rtol, self._atol)

    def result(self) -> Tensor:
        """(B,) float64 on the host: the scaled residual after the last step; NaN without any."""
        return torch.from_numpy(self._residual.copy()) if self._xp is np else self._residual.cpu()

    def _measure(self, attempt: Attempt, batch: Batch) -> Array:
        """(n,) scaled residuals at the ends of the steps."""
        step = attempt.step
        with torch.no_grad():
            rate = step.k[-1] if self._has_rate else attempt.field(batch.upload(attempt.t_new), step.y_new)
            residual = scaled_residual(rate, step.y_new.detach(), self._rtol, self._atol).double()
        return as_array(residual) if self._xp is np else residual

    def _note(self, rows: np.ndarray, residual: Array, looked: Array) -> None:
        if self._xp is np:
            self._residual[rows[looked]] = residual[looked]
        elif rows.size == self._residual.numel():
            self._residual = torch.where(looked, residual, self._residual)
        else:
            places = torch.from_numpy(rows).to(residual.device)
            known = torch.where(looked, residual, self._residual.index_select(0, places))
            self._residual = self._residual.index_copy(0, places, known)
