"""Benchmark `partition`: two-way differencing of a million integers, complete differencing of 20 and 30, and prtpy."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

from .comparison import Comparison, Measurement, Quantity
from .limit import within
from .result import OTHER, OURS
from .settings import BenchSettings
from .timing import measure_alternately

MANY, MANY_SECONDS = 1_000_000, 1.0
TWENTY_SECONDS, THIRTY_SECONDS = 1e-3, 0.5
PRTPY_ITEMS = 17
"""prtpy needs seconds from 20 items on."""
PRTPY_BAR = 100.0


def compare(settings: BenchSettings) -> list[Comparison]:
    """The four cases."""
    from fieldsolver.kernels.partitioning.complete_differencing import TwoWaySearch
    from fieldsolver.kernels.partitioning.differencing import two_way

    rng = np.random.default_rng(0)
    many = rng.integers(1, 2**40, MANY)
    twenty, thirty = rng.integers(1, 2**32, 20), rng.integers(1, 10**10, 30)

    def search(values: np.ndarray) -> Callable[[], Any]:
        def run() -> None:
            tree = TwoWaySearch(values)
            while not tree.finished:
                tree.run(10**7)

        return run

    return [
        within(
            f"{MANY} integers of 40 bits", "fieldsolver differencing", lambda: two_way(many), MANY_SECONDS, settings
        ),
        within("20 integers of 32 bits", "fieldsolver complete", search(twenty), TWENTY_SECONDS, settings),
        within("30 integers of 10 digits", "fieldsolver complete", search(thirty), THIRTY_SECONDS, settings),
        against_prtpy(settings),
    ]


def against_prtpy(settings: BenchSettings) -> Comparison:
    """The optimal partition in two, the call as a user makes it."""
    from fieldsolver.kernels import partition

    values = np.random.default_rng(1).integers(1, 2**32, PRTPY_ITEMS)
    name = f"{PRTPY_ITEMS} integers of 32 bits, one call"
    ours, other = Measurement("fieldsolver partition"), Measurement("prtpy complete differencing")
    if importlib.util.find_spec("prtpy") is None:
        other = Measurement("prtpy complete differencing", missing="prtpy is not installed")
        return Comparison(name, Quantity.SECONDS, ours, other, PRTPY_BAR)
    prtpy: Any = importlib.import_module("prtpy")

    def theirs() -> Any:
        items = values.tolist()
        return prtpy.partition(algorithm=prtpy.partitioning.complete_karmarkar_karp, numbins=2, items=items)

    settings.say(name)
    times = measure_alternately({OURS: lambda: partition(values, 2), OTHER: theirs}, settings)
    return Comparison(name, Quantity.SECONDS, ours.with_times(times[OURS]), other.with_times(times[OTHER]), PRTPY_BAR)
