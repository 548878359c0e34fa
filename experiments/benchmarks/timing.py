"""Wall times of two sides, measured alternately in one process: A B A B ...

What disturbs a machine for longer than one run (heat, a neighbour) then disturbs both sides, and neighbouring runs can
be compared as pairs. The first run of each side fills caches and compiles; it is kept apart as the warm-up.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .settings import BenchSettings


@dataclass(frozen=True)
class Times:
    """Wall times of one side.

    Attributes:
        warm_up: seconds of the first run, which is in no median.
        seconds: of the repetitions, in the order in which they ran.
    """

    warm_up: float
    seconds: tuple[float, ...]


def measure_alternately(sides: Mapping[str, Callable[[], Any]], settings: BenchSettings) -> dict[str, Times]:
    """Time every side once to warm up, then ``settings.repeats`` times in turns; returns the times by side.

    Garbage is collected before each run, outside the clock, and the collector is off under it, as in `timeit`.
    """

    def seconds(work: Callable[[], Any]) -> float:
        gc.collect()
        started = settings.clock()
        work()
        return settings.clock() - started

    with _torch_threads(settings.threads), _no_collection():
        warm_up = {name: seconds(work) for name, work in sides.items()}
        rounds = [{name: seconds(work) for name, work in sides.items()} for _ in range(settings.repeats)]
    return {name: Times(warm_up[name], tuple(times[name] for times in rounds)) for name in sides}


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _no_collection() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
