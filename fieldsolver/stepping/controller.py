"""Step-size control: pure arithmetic on numbers or arrays, for the torch loop and for compiled loops alike.

The error norm e is scaled so that e <= 1 is acceptable; e = C h^k with k one more than the order of the estimate. The
PI controller multiplies the step by::

    factor = safety e^(-(1/k - 3/4 beta)) e_previous^beta,   limited to [min_factor, max_factor]

Source: Hairer, Wanner, *Solving Ordinary Differential Equations II* (1996), section IV.2, eq. (2.43c), with the
constants of their code DOPRI5 (beta = 0.04 for k = 5).
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

Number = TypeVar("Number", float, np.ndarray)

SAFETY = 0.9
MIN_FACTOR = 0.2
MAX_FACTOR = 10.0
FIRST_PREVIOUS_ERROR = 1e-4
"""e_previous before the first step, and its lower limit ever after."""
SMALLEST_ERROR = 1e-10
"""An error of exactly 0 must not divide."""
LAST_STEP_STRETCH = 1.01
"""A step that comes this close to the end is stretched to reach it: no sliver remains."""


def is_acceptable(error: Number) -> Number:
    """Whether the step may be kept; NaN is not acceptable."""
    return error <= 1.0


def factor_after_acceptance(error: Number, previous_error: Number, k: int) -> Number:
    """Step-size factor after an accepted step (PI)."""
    beta = 0.2 / k
    e = np.maximum(error, SMALLEST_ERROR)
    return limited(SAFETY * e ** -(1.0 / k - 0.75 * beta) * previous_error**beta)


def factor_after_rejection(error: Number, k: int) -> Number:
    """Step-size factor after a rejected step (no memory); NaN shrinks the step as much as allowed."""
    beta = 0.2 / k
    return limited(SAFETY * np.maximum(error, 1.0) ** -(1.0 / k - 0.75 * beta))


def remembered_error(error: Number) -> Number:
    """What the PI controller keeps of an accepted step."""
    return np.maximum(error, FIRST_PREVIOUS_ERROR)


def limited(factor: Number) -> Number:
    """The factor within its limits; NaN becomes the lower one (fmax drops it)."""
    return np.fmin(np.fmax(factor, MIN_FACTOR), MAX_FACTOR)


def smallest_step(t: Number, dt_min: float) -> Number:
    """The smallest step that still moves t reliably: ten units in its last place, or the user's dt_min."""
    return np.maximum(10.0 * np.spacing(np.abs(t)), dt_min)
