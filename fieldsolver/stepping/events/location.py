"""Location of crossings inside a step: many brackets at once, by Chandrupatla's method."""

from __future__ import annotations

import numpy as np

from .crossing import Crossings, Values

ACCURACY = 1e-12
"""Accuracy of a located crossing, as part of the step."""
_TOLERANCES = {"xatol": ACCURACY / 10, "xrtol": 0.0, "fatol": 0.0, "frtol": 0.0}


def locate(crossings: Crossings, evaluate: Values) -> np.ndarray:
    """(Q,) positions of the crossings in (0, 1], within `ACCURACY`.

    SciPy's `find_root` combines inverse quadratic interpolation with bisection (T. R. Chandrupatla, Advances in
    Engineering Software 28 (1997) 145-149) and calls the function for all brackets at once, unfinished ones only.

    Args:
        crossings: brackets at whose ends the condition has different signs.
        evaluate: the conditions.
    """
    theta = crossings.high.copy()
    open_ = np.flatnonzero(crossings.low < crossings.high)
    if open_.size:
        theta[open_] = _roots(crossings.column[open_], crossings.low[open_], crossings.high[open_], evaluate)
    return np.clip(theta, ACCURACY, 1.0)  # an event moves on, if only by the accuracy of its location


def _roots(column: np.ndarray, low: np.ndarray, high: np.ndarray, evaluate: Values) -> np.ndarray:
    from scipy.optimize import elementwise

    def condition(theta: np.ndarray, column: np.ndarray) -> np.ndarray:
        return evaluate(column.astype(np.int64), theta)

    found = elementwise.find_root(condition, (low, high), args=(column.astype(np.float64),), tolerances=_TOLERANCES)
    # Evaluated among other samples, an end within round-off of zero may have changed its sign: it is the root.
    left, right = (np.nan_to_num(np.abs(value), nan=np.inf) for value in found.f_bracket)
    return np.where(found.success, found.x, np.where(left <= right, low, high))
