"""The exponents and what follows from them: intervals, sums, dimension, the kind of motion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .interval import Floats, Interval, groups_of, jackknife
from .kaplan_yorke import kaplan_yorke
from .record import Record
from .resolution import Resolution

DECAY = 0.8
"""An orbit whose largest speed falls by this factor from each quarter of the run to the next is coming to rest."""


@dataclass(frozen=True)
class Spectrum:
    """All of one orbit or ensemble.

    Attributes:
        exponents: (k,) with half-widths: the statistical one, what the second half of the run differs from the whole,
            and the change by the step.
        samples: (S, k) of each start.
        samples_half: their half-widths.
        history: (N, k) running means.
        growth: (N, k) local rates per block.
        volume: mean of tr J or log |det DF| and the defect of the sum rule, (2,); None without.
        dimension: Kaplan-Yorke, (1,).
        pairs: lambda_i + lambda_{n+1-i}, (k // 2,).
        at_rest: the orbit ends at a fixed point, or comes to rest.
        zero: (k,) bool, exponents whose interval contains zero.
        size: n.
        ordered: the intervals come from stretches of time, not from independent members.
    """

    exponents: Interval
    samples: Floats
    samples_half: Floats
    history: Floats
    growth: Floats
    volume: Interval | None
    dimension: Interval
    pairs: Interval
    at_rest: bool
    zero: np.ndarray
    size: int
    ordered: bool


def spectrum(record: Record, resolved: Resolution, size: int, confidence: float, *, discrete: bool) -> Spectrum:
    """Of a finished record."""
    blocks, starts, members, count = record.growth.shape
    series = record.growth.reshape(blocks, starts * members, count)
    groups, ordered = groups_of(series)

    def interval(statistic: Callable[[Floats], Floats]) -> Interval:
        return jackknife(groups, statistic, confidence, ordered=ordered)

    raw = interval(np.asarray)
    growth = series.mean(1)
    exponents = Interval(raw.value, raw.half + _settling(growth) + resolved.error)
    at_rest = not discrete and comes_to_rest(record.speed)
    zero = (np.abs(exponents.value) <= exponents.half) & (not at_rest) & (not discrete)
    each = [_of_start(record.growth[:, start], confidence) for start in range(starts)]
    return Spectrum(
        exponents=exponents,
        samples=np.array([one.value for one in each]),
        samples_half=np.array([one.half for one in each]),
        history=np.cumsum(growth, 0) / np.arange(1, blocks + 1)[:, None],
        growth=growth,
        volume=_volume(record, series, resolved, confidence),
        dimension=interval(lambda mean: np.array([kaplan_yorke(np.where(zero, 0.0, mean), size)])),
        pairs=interval(_pairs),
        at_rest=at_rest,
        zero=zero,
        size=size,
        ordered=ordered,
    )


def _settling(growth: Floats) -> Floats:
    """How much the second half of a run (N, k) differs from the whole: tangents that still turn, a slow transient."""
    distance: Floats = np.abs(growth[len(growth) // 2 :].mean(0) - growth.mean(0))
    return distance


def _of_start(growth: Floats, confidence: float) -> Interval:
    groups, ordered = groups_of(growth)
    return jackknife(groups, np.asarray, confidence, ordered=ordered)


def comes_to_rest(speed: Floats) -> bool:
    """Whether every member slows down for good, or stands still; speed is (N, B)."""
    peaks = np.array([part.max(0) for part in np.array_split(speed, 4)])  # (4, B)
    return bool(((peaks[-1] == 0) | (peaks[1:] < DECAY * peaks[:-1]).all(0)).all())


def _volume(record: Record, series: Floats, resolved: Resolution, confidence: float) -> Interval | None:
    if record.volume is None:
        return None
    volume = record.volume.reshape(series.shape[:2])
    groups, ordered = groups_of(np.stack([volume, series.sum(2) - volume], 2))
    found = jackknife(groups, np.asarray, confidence, ordered=ordered)
    return Interval(found.value, found.half + np.array([0.0, resolved.error.sum()]))


def _pairs(exponents: Floats) -> Floats:
    half = exponents.size // 2
    ordered = np.sort(exponents)[::-1]
    pairs: Floats = ordered[:half] + ordered[::-1][:half]
    return pairs
