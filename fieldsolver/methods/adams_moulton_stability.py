"""The real stability interval of predict-evaluate-correct-evaluate steps of Adams methods, on equal steps.

For y' = lambda y, z = h lambda, the predictor of order k is p = y_n + z sum_(i<k) b_i y_(n-i), and the corrector adds
gamma_k z (p + sum_(1<=i<=k) (-1)^i binom(k, i) y_(n+1-i)), the k-th backward difference.

Source: Hairer, Norsett, Wanner, *Solving Ordinary Differential Equations I* (1993), section III.1, eqs. (1.5)-(1.9);
Hairer, Wanner, *Solving Ordinary Differential Equations II* (1996), section V.1.
"""

from __future__ import annotations

from functools import cache
from math import comb

import numpy as np

from .adams_stability import adams_bashforth_weights

SCAN = 0.005
"""Distance of the points at which growth is looked for, before its begin is bisected."""
ROUND_OFF = 1e-9
"""Roots this close to the unit circle are on it: the root 1 + z + ... of a small step."""


@cache
def real_interval(order: int) -> float:
    """Largest x such that no solution grows for z in [-x, 0], with a predictor of this order."""
    low = 0.0
    while spectral_radius(order, -low - SCAN) <= 1.0 + ROUND_OFF:
        low += SCAN
    high = low + SCAN
    for _ in range(50):
        middle = (low + high) / 2.0
        low, high = (low, middle) if spectral_radius(order, -middle) > 1.0 else (middle, high)
    return low


def spectral_radius(order: int, z: complex) -> float:
    """The largest modulus of a root of the characteristic polynomial."""
    weights = adams_bashforth_weights(order)
    gamma = float(adams_bashforth_weights(order + 1)[0] - weights[0])  # b_0 gains gamma_k with the order
    predictor = z * np.array([float(b) for b in weights])
    predictor[0] += 1.0
    difference = np.array([float((-1) ** i * comb(order, i)) for i in range(1, order + 1)])
    y_new = predictor + gamma * z * (predictor + difference)
    return float(np.abs(np.roots(np.concatenate([[1.0], -y_new]))).max())
