"""What a controller remembers of the accepted steps of each sample."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from ..arithmetic import Arithmetic, Array
from .controller import Controller


class History(NamedTuple):
    """Errors and sizes of the last accepted steps, (n,) each; None where the controller does not ask for it.

    Attributes:
        highest_factor: (n,), or one number for all: the largest factor allowed now; 1 after a rejection.
        previous_error: e_(n-1); NaN when there was no such step.
        earlier_error: e_(n-2).
        previous_size: h_(n-1) > 0.
        earlier_size: h_(n-2).
    """

    highest_factor: Array
    previous_error: Array = None
    earlier_error: Array = None
    previous_size: Array = None
    earlier_size: Array = None

    def map(self, function: Callable[[Array], Array]) -> History:
        """The history with a function applied to each of its arrays: a selection of samples, another device."""
        return History(*(v if v is None or isinstance(v, float) else function(v) for v in self))


def start_history(controller: Controller, like: Array, xp: Arithmetic) -> History:
    """The history before the first step.

    Args:
        controller: says what is to be remembered.
        like: (n,) float64, gives shape and device.
        xp: NumPy, `scalar_ops` or `tensor_ops`.
    """
    errors, sizes = controller.remembers_errors, controller.remembers_sizes
    return History(
        highest_factor=xp.full_like(like, controller.max_factor),
        previous_error=xp.full_like(like, controller.first_error) if errors > 0 else None,
        earlier_error=xp.full_like(like, controller.first_error) if errors > 1 else None,
        previous_size=xp.full_like(like, math.nan) if sizes > 0 else None,
        earlier_size=xp.full_like(like, math.nan) if sizes > 1 else None,
    )


def restart_history(controller: Controller, history: History, which: Array, xp: Arithmetic) -> History:
    """Some samples begin anew: f jumped, or the state did.

    Args:
        controller: the one that made the history.
        history: of all samples.
        which: (n,) booleans.
        xp: NumPy, `scalar_ops` or `tensor_ops`.
    """
    first, unknown = controller.first_error, math.nan
    return History(
        xp.where(which, controller.max_factor, history.highest_factor),
        None if history.previous_error is None else xp.where(which, first, history.previous_error),
        None if history.earlier_error is None else xp.where(which, first, history.earlier_error),
        None if history.previous_size is None else xp.where(which, unknown, history.previous_size),
        None if history.earlier_size is None else xp.where(which, unknown, history.earlier_size),
    )


def remember_acceptance(
    controller: Controller, error: Array, size: Array, history: History, xp: Arithmetic, accepted: Array = None
) -> History:
    """The history after an attempt, as far as its accepted steps go.

    Args:
        controller: says what is to be remembered.
        error: (n,) scaled errors of the attempt.
        size: (n,) its step sizes |dt|.
        history: before the attempt.
        xp: NumPy, `scalar_ops` or `tensor_ops`.
        accepted: (n,) booleans; None: every step was accepted.
    """
    highest, last_error, before_error, last_size, before_size = history
    new_error = None if last_error is None else xp.maximum(error, controller.least_error)
    if accepted is None:
        return History(
            controller.max_factor,
            new_error,
            None if before_error is None else last_error,
            None if last_size is None else size,
            None if before_size is None else last_size,
        )
    return History(
        xp.where(accepted, controller.max_factor, highest),
        None if last_error is None else xp.where(accepted, new_error, last_error),
        None if before_error is None else xp.where(accepted, last_error, before_error),
        None if last_size is None else xp.where(accepted, size, last_size),
        None if before_size is None else xp.where(accepted, last_size, before_size),
    )


def remember_rejection(history: History, rejected: Array, xp: Arithmetic) -> History:
    """The history after an attempt, as far as its rejected steps go: the step after them must not grow.

    Source: Hairer, Norsett, Wanner, *Solving Ordinary Differential Equations I* (1993), section II.4.

    Args:
        history: with the accepted steps of the same attempt.
        rejected: (n,) booleans.
        xp: NumPy, `scalar_ops` or `tensor_ops`.
    """
    return history._replace(highest_factor=xp.where(rejected, 1.0, history.highest_factor))
