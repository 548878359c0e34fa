"""The Kaplan-Yorke dimension of an attractor, from its Lyapunov exponents."""

from __future__ import annotations

import math

import numpy as np

from .interval import Floats


def kaplan_yorke(exponents: Floats, size: int) -> float:
    """D = j + (lambda_1 + .. + lambda_j) / |lambda_{j+1}| with the largest j whose sum is not negative.

    J. L. Kaplan and J. A. Yorke, Lecture Notes in Mathematics 730, 204 (1979).

    Args:
        exponents: (k,), in descending order.
        size: n of the phase space; where all n sums are not negative, D = n.

    Returns:
        NaN where the k exponents do not reach a negative sum and k < n.
    """
    ordered = np.sort(exponents)[::-1]
    sums = np.cumsum(ordered)
    below = np.flatnonzero(sums < 0)
    if below.size == 0:
        return float(size) if exponents.size == size else math.nan
    j = int(below[0])
    return j + float(sums[j - 1] / abs(ordered[j])) if j else 0.0
