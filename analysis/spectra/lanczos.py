"""Both ends of the spectrum of a Hermitian operator, with an error bound that holds with a stated probability."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Ends:
    """The smallest and the largest eigenvalue of a Hermitian operator.

    Attributes:
        lowest, highest: Ritz values, which lie inside.
        margin: nothing lies further outside than this, with the probability that was asked for.
        vectors: unit vectors ``(n, 2)`` of the two.
    """

    lowest: float
    highest: float
    margin: float
    vectors: NDArray[Any]


def steps_for(n: int, relative: float, doubt: float) -> int:
    """Lanczos steps after which the margin is `relative` of the spread, except with probability `doubt`.

    Kuczynski and Wozniakowski (1992), theorem 4.2: after k steps from a start of uniformly random direction, either end
    is missed by more than a share e of the spread with a probability of at most
    ``1.648 sqrt(n) exp(-sqrt(e) (2k - 1))``.
    """
    return min(n, math.ceil((math.log(1.648 * math.sqrt(n) / doubt) / math.sqrt(relative) + 1) / 2))


def ends(apply: Callable[[NDArray[Any]], NDArray[Any]], start: NDArray[Any], *, relative: float, doubt: float) -> Ends:
    """Lanczos with full reorthogonalisation from a random `start`.

    Args:
        apply: the Hermitian operator on ``(n,)``.
        start: of uniformly random direction, real for a real operator, else complex.
        relative: margin wanted, as a share of the distance between the two ends.
        doubt: probability with which the margin may fail.
    """
    n = start.size
    k = steps_for(n, relative, doubt)
    basis = np.zeros((n, k), dtype=start.dtype, order="F")
    basis[:, 0] = start / np.linalg.norm(start)
    diagonal, off = np.zeros(k), np.zeros(k)
    for j in range(k):
        w = apply(basis[:, j])
        size = float(np.linalg.norm(w))
        diagonal[j] = float(np.vdot(basis[:, j], w).real)
        for _ in range(2):
            w = w - basis[:, : j + 1] @ (basis[:, : j + 1].conj().T @ w)
        off[j] = float(np.linalg.norm(w))
        # An invariant space that a random start reaches holds a vector of every eigenvalue.
        if off[j] <= 1e-13 * max(size, abs(diagonal[: j + 1]).max()) or j + 1 == n:
            return _ends(diagonal[: j + 1], off[:j], basis[:, : j + 1], 0.0)
        if j + 1 < k:
            basis[:, j + 1] = w / off[j]
    share = (math.log(1.648 * math.sqrt(n) / doubt) / (2 * k - 1)) ** 2
    return _ends(diagonal, off[: k - 1], basis, share)


def largest(
    apply: Callable[[NDArray[Any]], NDArray[Any]], start: NDArray[Any], *, steps: int, settled: float
) -> tuple[float, NDArray[Any]]:
    """The largest eigenvalue of a positive operator from below, and its vector.

    Stops when the Ritz value grows by less than `settled` of itself; infinite where the operator overflows.
    """
    basis = np.zeros((start.size, steps + 1), dtype=start.dtype, order="F")
    basis[:, 0] = start / np.linalg.norm(start)
    diagonal, off, value = np.zeros(steps), np.zeros(steps), 0.0
    small = np.ones((1, 1))
    for j in range(min(steps, start.size)):
        w = apply(basis[:, j])
        if not np.isfinite(w).all():
            return float("inf"), basis[:, j]
        diagonal[j] = float(np.vdot(basis[:, j], w).real)
        for _ in range(2):
            w = w - basis[:, : j + 1] @ (basis[:, : j + 1].conj().T @ w)
        off[j] = float(np.linalg.norm(w))
        values, small = np.linalg.eigh(np.diag(diagonal[: j + 1]) + np.diag(off[:j], 1) + np.diag(off[:j], -1))
        before, value = value, float(values[-1])
        if off[j] <= 1e-14 * value or (j > 1 and value - before <= settled * value):
            break
        basis[:, j + 1] = w / off[j]
    return value, basis[:, : len(small)] @ small[:, -1]


def _ends(diagonal: NDArray[Any], off: NDArray[Any], basis: NDArray[Any], share: float) -> Ends:
    from scipy.linalg import eigh_tridiagonal

    values, small = eigh_tridiagonal(diagonal, off)
    spread = float(values[-1] - values[0])
    size = float(np.abs(values).max())
    margin = math.inf if share >= 0.5 else share * spread / (1 - 2 * share)  # both ends may be missed by that share
    rounding = 10 * len(values) * float(np.finfo(np.float64).eps) * size
    return Ends(float(values[0]), float(values[-1]), margin + rounding, basis @ small[:, [0, -1]])
