"""Every method at every setting, solved and timed in rounds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from fieldsolver.analysis.orders.error_size import NORMS, error_size
from fieldsolver.analysis.orders.models import Floats
from fieldsolver.errors import SolveFailed
from fieldsolver.solve import Solution
from fieldsolver.solve.progress import ProgressBar

Run = Callable[[str, float], Solution]
"""A solve with a method at a setting, a tolerance or a step size."""

COUNTS = ("nfev", "accepted", "rejected")


@dataclass
class Measurements:
    """What the runs showed; NaN where a run failed or was not made.

    Attributes:
        error: (methods, settings, norms).
        counts: for each of nfev, accepted, rejected: (methods, settings).
        seconds: (methods, settings, repeats).
        rounds: complete rounds of timed runs.
        interrupted: the user stopped them.
    """

    error: Floats
    counts: dict[str, Floats] = field(default_factory=dict)
    seconds: Floats = field(default_factory=lambda: np.empty(0))
    rounds: int = 0
    interrupted: bool = False


def measure(
    methods: Sequence[str],
    settings: Sequence[float],
    run: Run,
    reference: Tensor,
    repeats: int,
    progress: bool | None,
) -> Measurements:
    """Solve everything once for errors and counts, then `repeats` times for the clock.

    The rounds go through all methods before any run is repeated, so that a busy minute of the machine falls on all of
    them. The first, untimed round has paid for compilation and caches. Ctrl-C ends the rounds and keeps what is done.
    """
    shape = (len(methods), len(settings))
    found = Measurements(
        error=np.full((*shape, len(NORMS)), np.nan),
        counts={name: np.full(shape, np.nan) for name in COUNTS},
        seconds=np.full((*shape, repeats), np.nan),
    )
    cost = np.full(shape, np.nan)
    with ProgressBar("work and precision", progress) as bar:
        try:
            for place, (method, setting) in _pairs(methods, settings):
                cost[place] = _look(found, place, partial(run, method, setting), reference)
                bar((place[0] * len(settings) + place[1] + 1) / cost.size / (repeats + 1))
            for repeat in range(repeats):
                for place, (method, setting) in _pairs(methods, settings):
                    if math.isfinite(cost[place]):
                        found.seconds[(*place, repeat)] = _timed(partial(run, method, setting))
                found.rounds += 1
                bar((repeat + 2) / (repeats + 1))
        except KeyboardInterrupt:
            found.interrupted = True
    return found


def _pairs(methods: Sequence[str], settings: Sequence[float]) -> list[tuple[tuple[int, int], tuple[str, float]]]:
    return [((i, j), (method, setting)) for i, method in enumerate(methods) for j, setting in enumerate(settings)]


def _look(found: Measurements, place: tuple[int, int], run: Callable[[], Solution], reference: Tensor) -> float:
    """Errors and counts of a run; its seconds, NaN where it failed."""
    started = time.perf_counter()
    try:
        solution = run()
    except SolveFailed:  # too loose or too coarse to survive: a point without an error
        return math.nan
    seconds = time.perf_counter() - started
    found.error[place] = [error_size(solution.y[-1], reference, norm) for norm in NORMS]
    for name in COUNTS:
        found.counts[name][place] = float(torch.as_tensor(getattr(solution.stats, name)).sum())
    return seconds


def _timed(run: Callable[[], Solution]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started
