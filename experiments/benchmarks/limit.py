"""A case against a limit: seconds that a task may take at most, beside the two packages of the other cases."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .comparison import Comparison, Measurement, Quantity
from .settings import BenchSettings
from .timing import Times, measure_alternately


def within(
    case: str, name: str, work: Callable[[], Any], seconds: float, settings: BenchSettings, error: float = math.nan
) -> Comparison:
    """Time `work`; the bar is met if its median stays below `seconds`: limit / ours is at least 1."""
    settings.say(case)
    times = measure_alternately({name: work}, settings)[name]
    limit = Times(math.nan, (seconds,) * settings.repeats)
    return Comparison(
        case,
        Quantity.SECONDS,
        Measurement(name, times, error=error),
        Measurement(f"limit of {seconds:g} s", limit),
        1.0,
    )


@contextmanager
def numba_threads(count: int) -> Iterator[None]:
    """Run compiled loops on so many threads, or on as many as there are."""
    import numba

    before = numba.get_num_threads()
    numba.set_num_threads(min(count, before))
    try:
        yield
    finally:
        numba.set_num_threads(before)
