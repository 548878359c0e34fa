"""Tasks of known cost for several workers, so that all of them end at about the same time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .checks import whole_number
from .partition import partition
from .weights import exact_weights

NODES = 20_000
NO_CLOCK = 3600.0
"""Seconds; the nodes end the search long before."""


def balanced_batches(costs: Sequence[Any] | np.ndarray, workers: int) -> list[list[int]]:
    """The tasks of each worker: the largest total cost is made small.

    Differencing and a short search, counted in nodes: the same costs give the same batches on every machine.

    Args:
        costs: ``(n,)`` what each task takes, such as its predicted number of steps; not negative.
        workers: how many; of more workers than tasks only n get something.

    Returns:
        Up to `workers` lists of positions in rising order, the most expensive batch first.

    Raises:
        OptionError: costs or workers that make no sense.
    """
    given = exact_weights(costs, "costs")
    most = min(whole_number("workers", workers, 1), len(given.values))
    found = partition(given.values, most, objective="largest", time_limit=NO_CLOCK, most_nodes=NODES)
    totals = found.sums
    order = sorted(range(len(totals)), key=lambda part: (-totals[part], part))
    return [found.parts[part] for part in order]
