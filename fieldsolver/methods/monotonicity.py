"""The SSP radius of an explicit Runge-Kutta method: the Euler step limits that one monotone step may span.

With K the tableau with the weights as its last row, and e the vector of ones, it is the largest r for which::

    K (I + r K)^-1 >= 0   and   r K (I + r K)^-1 e <= e      (entry by entry)

that is, for which the step is a convex combination of Euler steps of at most h/r.

Source: Kraaijevanger, *Contractivity of Runge-Kutta methods*, BIT 31 (1991) 482-528, definition 2.4 and theorem 4.2.
"""

from __future__ import annotations

import numpy as np

from .tableau import ButcherTableau

ROUND_OFF = 1e-12
"""Entries this close to zero are zero: the coefficients are rounded to float64."""


def ssp_radius(tableau: ButcherTableau) -> float:
    """The radius of absolute monotonicity, to about ten digits; 0 for most methods."""
    s = tableau.stages
    K = np.zeros((s + 1, s + 1))
    for i, row in enumerate((*tableau.a, tableau.b)):
        K[i, : len(row)] = [float(value) for value in row]
    if (K < 0).any() or ((K == 0) & (K @ K > 0)).any():  # theorem 4.2: exactly then the radius is 0
        return 0.0
    low, high = 0.0, float(s + 1)  # no explicit method reaches more than its number of stages
    while high - low > ROUND_OFF:
        middle = (low + high) / 2
        low, high = (middle, high) if _is_monotone(K, middle) else (low, middle)
    return low


def _is_monotone(K: np.ndarray, r: float) -> bool:
    combination = np.linalg.solve(np.eye(len(K)) + r * K.T, K.T).T  # K (I + r K)^-1
    return bool((combination >= -ROUND_OFF).all() and (r * combination.sum(axis=1) <= 1 + ROUND_OFF).all())
