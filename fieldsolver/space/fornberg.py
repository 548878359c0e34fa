"""Finite-difference weights on arbitrary points."""

from __future__ import annotations

import numpy as np


def fornberg_weights(offsets: np.ndarray, derivative: int) -> np.ndarray:
    """Weights ``c`` with ``sum_j c_j u(x + d_j) = u^(m)(x)`` for every polynomial of degree below the number of points.

    The recursion adds one point after the other: B. Fornberg, Math. Comp. 51 (1988) 699, section 3.

    Args:
        offsets: ``d``, shape ``(n, ...)``, the points first; anything that can be divided, such as exact fractions.
        derivative: ``m``, below ``n``.

    Returns:
        The weights, of the shape of `offsets`.
    """
    count, m = len(offsets), derivative
    one, zero = offsets[0] * 0 + 1, offsets[0] * 0
    weights = [[zero] * (m + 1) for _ in range(count)]  # weights[j][k]: point j, k-th derivative
    weights[0][0] = one
    previous = one  # product of the distances of the point before to those before it
    for i in range(1, count):
        product = one
        last = weights[i - 1].copy()
        for j in range(i):
            distance = offsets[i] - offsets[j]
            product = product * distance
            weights[j] = [
                (offsets[i] * weights[j][k] - (k * weights[j][k - 1] if k else 0)) / distance for k in range(m + 1)
            ]
        weights[i] = [
            previous / product * ((k * last[k - 1] if k else 0) - offsets[i - 1] * last[k]) for k in range(m + 1)
        ]
        previous = product
    return np.stack([row[m] for row in weights])
