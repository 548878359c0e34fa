"""Few different lengths to pad to, so that compiled models and those laid out for a length are used again."""

from __future__ import annotations

import numpy as np

from fieldsolver.errors import OptionError

FIRST, STEP, RATIO = 8, 8, 1.25


def length_ladder(longest: int) -> np.ndarray:
    """Increasing lengths up to `longest`: multiples of 8 that grow by about a quarter, then `longest` itself.

    A text is padded by at most a quarter of its length, or by 8 tokens if that is more; up to
    100,000 tokens there are 42 rungs.

    Raises:
        OptionError: `longest` is below 1.
    """
    if longest < 1:
        raise OptionError(f"the longest text has at least one place, got {longest}")
    rungs, rung = [], FIRST
    while rung < longest:
        rungs.append(rung)
        rung += max(STEP, int(rung * (RATIO - 1)) // STEP * STEP)
    return np.array([*rungs, longest], dtype=np.int64)


def padded_length(length: int, ladder: np.ndarray) -> int:
    """The smallest rung that `length` tokens fit in.

    Raises:
        OptionError: the ladder does not reach so far.
    """
    if length > ladder[-1]:
        raise OptionError(f"{length} tokens do not fit into the longest of the given lengths, {ladder[-1]}")
    return int(ladder[np.searchsorted(ladder, length)])
