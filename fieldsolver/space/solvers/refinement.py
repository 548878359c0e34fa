"""Iterative refinement of stiff solves.

In ``1 - c L`` the 1 is rounded against ``c L``: at ``c |L| = 1e13`` three digits of it are left, and so of every
quantity that L conserves. The residual written ``(b - x) + c (L x)`` keeps it, and a few sweeps with it give back the
digits (N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., chapter 12).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

_ROUND_OFF = torch.finfo(torch.float64).eps
_WANTED = 1e-12
_MOST_SWEEPS = 6


def refinement_sweeps(c: float | complex, size_of_L: float) -> int:
    """Sweeps until the error that a factorisation in float64 leaves in the 1 of ``1 - c L`` is about 1e-12."""
    contraction = _ROUND_OFF * abs(c) * size_of_L
    if contraction <= _WANTED:
        return 0
    if contraction >= 0.1:
        return _MOST_SWEEPS
    return min(_MOST_SWEEPS, math.ceil(math.log(_WANTED) / math.log(contraction)) - 1)


def refined(
    invert: Callable[[torch.Tensor], torch.Tensor],
    apply: Callable[[torch.Tensor], torch.Tensor],
    b: torch.Tensor,
    c: float | complex,
    sweeps: int,
) -> torch.Tensor:
    """``invert(b)``, corrected `sweeps` times."""
    x = invert(b)
    for _ in range(sweeps):
        x = x + invert((b - x) + c * apply(x))
    return x
