"""Benchmark `linking`: two random closed chains, every pair of segments; two long circles by moments; topoly.

The direct sum has to reach 25 million pairs per second on two threads: 4000 x 4000 segments within 0.64 s. Fewer
threads are given more time. The error is the distance of the sum to the exact integer.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .comparison import Comparison, Measurement, Quantity
from .limit import numba_threads, within
from .result import OTHER, OURS
from .settings import BenchSettings
from .timing import measure_alternately

PAIRS_PER_SECOND = 12.5e6
"""Of one thread."""

CHAIN, CIRCLE, SMALL = 4000, 100_000, 400
CIRCLE_SECONDS = 1.0
TOPOLY_BAR = 20.0


def compare(settings: BenchSettings) -> list[Comparison]:
    """The three cases."""
    from fieldsolver.kernels.topology.approximate_sum import approximate_sum
    from fieldsolver.kernels.topology.gauss_sum import gauss_sum

    chains = ends(random_chain(CHAIN, 0), random_chain(CHAIN, 1))
    circles = ends(*linked_circles(CIRCLE))
    seconds = CHAIN**2 / (PAIRS_PER_SECOND * min(settings.threads, 2))
    with numba_threads(settings.threads):
        direct, moments = gauss_sum(*chains), approximate_sum(*circles, closed=True)
        return [
            within(
                f"{CHAIN} x {CHAIN} segments, all pairs", "fieldsolver direct", lambda: gauss_sum(*chains), seconds,
                settings, abs(direct.value - round(direct.value)),
            ),
            within(
                f"{CIRCLE} x {CIRCLE} segments, by moments", "fieldsolver Barnes-Hut",
                lambda: approximate_sum(*circles, closed=True), CIRCLE_SECONDS, settings, abs(moments.value + 1),
            ),
            against_topoly(settings),
        ]  # fmt: skip


def against_topoly(settings: BenchSettings) -> Comparison:
    """One pair of small chains, the call as a user makes it."""
    from fieldsolver.kernels import linking_number

    a, b = random_chain(SMALL, 2), random_chain(SMALL, 3)
    name = f"{SMALL} x {SMALL} segments, one call"
    ours, other = Measurement("fieldsolver linking_number"), Measurement("topoly gln")
    try:
        theirs = topoly_call(a, b)
    except ImportError as error:  # absent, or without the shared libraries that it needs
        absent = importlib.util.find_spec("topoly") is None
        words = "is not installed" if absent else f"cannot be imported: {error}"
        other = Measurement("topoly gln", missing=f"topoly {words}")
        return Comparison(name, Quantity.SECONDS, ours, other, TOPOLY_BAR)
    settings.say(name)
    sides: dict[str, Callable[[], Any]] = {OURS: lambda: linking_number(a, b), OTHER: theirs}
    times = measure_alternately(sides, settings)
    return Comparison(name, Quantity.SECONDS, ours.with_times(times[OURS]), other.with_times(times[OTHER]), TOPOLY_BAR)


def topoly_call(a: np.ndarray, b: np.ndarray) -> Callable[[], Any]:
    """topoly takes lists, and closed chains with their first point repeated."""
    topoly: Any = importlib.import_module("topoly")

    first, second = (np.concatenate([points, points[:1]]).tolist() for points in (a, b))
    return lambda: topoly.gln(first, second)


def ends(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Where the segments of two closed polygons begin and end."""
    return a, np.roll(a, -1, axis=0), b, np.roll(b, -1, axis=0)


def random_chain(corners: int, seed: int) -> np.ndarray:
    """A closed random walk ``(corners, 3)``."""
    steps = np.random.default_rng(seed).normal(size=(corners, 3))
    return np.cumsum(steps - steps.mean(axis=0), axis=0)


def linked_circles(corners: int) -> tuple[np.ndarray, np.ndarray]:
    """Two circles that pass through each other once: the linking number is -1."""
    t = 2 * math.pi * np.arange(corners) / corners
    flat, upright = (np.cos(t), np.sin(t), 0 * t), (1 + np.cos(t), 0 * t, np.sin(t))
    return np.stack(flat, axis=1), np.stack(upright, axis=1)
