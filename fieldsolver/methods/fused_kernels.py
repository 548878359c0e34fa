"""Compiled loops for small states on the host: what NumPy does in many calls, in one, to the last bit.

Every entry goes through the same IEEE operations in the same order as in the NumPy forms (`NumpyStages`, `scaled_rms`):
no fused multiply-add, no reassociation. So it never shows in a result which of them was at work.

Importing this file imports Numba: only `compiled.py` does it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

BLOCK = 1024
"""Entries that are carried through all terms before the next ones: they stay in the first cache."""


def compiled(function: Callable[..., Any]) -> Any:
    """Compile at the first call; the result is kept on disk where there is a place for it."""
    try:
        return numba.njit(cache=True, error_model="numpy")(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written to
        return numba.njit(error_model="numpy")(function)


@compiled
def _copy(values: np.ndarray, out: np.ndarray) -> None:
    for i in range(out.size):
        out[i] = values[i]


@compiled
def _multiply(factor: float, values: np.ndarray, out: np.ndarray) -> None:
    for i in range(out.size):
        out[i] = factor * values[i]


@compiled
def _add_product(factor: float, values: np.ndarray, out: np.ndarray) -> None:
    for i in range(out.size):
        out[i] = out[i] + factor * values[i]


@compiled
def add_stages(
    k: np.ndarray, newest: int, rate: np.ndarray, y: np.ndarray, h: np.ndarray, places: np.ndarray,
    weights: np.ndarray, out: np.ndarray,
) -> None:  # fmt: skip
    """Keep the newest stage, and out = y + h sum_j weights_j k_(places_j).

    Args:
        k: (s, N), the stages so far.
        newest: row of `k` that `rate` belongs to.
        rate: (N,), the newest stage.
        y: (N,), or (0,) for the increment alone.
        h: (N,) the step size, entry by entry.
        places: (T,) rows of `k`.
        weights: (T,) in the precision of y.
        out: (N,), is written.
    """
    for start in range(0, out.size, BLOCK):
        stop = min(start + BLOCK, out.size)
        total, size = out[start:stop], h[start:stop]
        _copy(rate[start:stop], k[newest, start:stop])
        _multiply(weights[0], k[places[0], start:stop], total)
        for j in range(1, places.size):
            _add_product(weights[j], k[places[j], start:stop], total)
        for i in range(total.size):
            total[i] = size[i] * total[i]
        if y.size:
            state = y[start:stop]
            for i in range(total.size):
                total[i] = state[i] + total[i]


@compiled
def stage_times(t: np.ndarray, dt: np.ndarray, nodes: np.ndarray, out: np.ndarray) -> None:
    """out (s, n) = t + c_i dt, of t and dt (n,) and the nodes (s,)."""
    for stage in range(nodes.size):
        node, row = nodes[stage], out[stage]
        for i in range(t.size):
            row[i] = t[i] + node * dt[i]


@compiled
def scaled_rms(
    y: np.ndarray, y_new: np.ndarray, error: np.ndarray, rtol: float, atol: float, samples: int
) -> np.ndarray:
    """Root mean square of error / (atol + rtol max(|y|, |y_new|)) of each sample.

    Args:
        y: (N,), N = samples times the entries of one state.
        y_new: (N,).
        error: (N,).
        rtol: in the precision of y, as is `atol`.
        atol: likewise.
        samples: n.

    Returns:
        (n,) float64.
    """
    square = np.empty(y.size)
    for i in range(y.size):
        a, b = abs(y[i]), abs(y_new[i])
        scale = (a if a >= b or a != a else b) * rtol + atol
        ratio = error[i] / scale + (scale - scale)  # an infinite scale must not make it 0
        square[i] = ratio * ratio
    entries = y.size // samples
    norms = np.empty(samples)
    for sample in range(samples):
        total = 0.0
        for value in square[sample * entries : (sample + 1) * entries]:
            total += value
        norms[sample] = math.sqrt(total / entries)
    return norms
