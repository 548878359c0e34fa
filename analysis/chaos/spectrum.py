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
GROWTH = 1.25
"""An orbit whose largest state grows by this factor from each quarter of the run to the next is not bounded so far."""
NOTABLE = 1.01
"""Growth over the run that is more than rounding, of an orbit that grows steadily without slowing down."""
RECURRED = 0.5
"""Share of an exponent from which on the change of |f| along the orbit explains it."""
AWAY = 10.0
"""One member that grows so, to so many times the largest of the others at first, has left them."""


@dataclass(frozen=True)
class Spectrum:
    """All of one orbit or ensemble.

    Attributes:
        exponents: (k,) with half-widths: the statistical one, what the second half of the run differs from the whole,
            the change by the step, and the rounding of the steps. Minus infinity where a tangent vanishes.
        samples: (S, k) of each start.
        samples_half: their half-widths.
        history: (N, k) running means.
        growth: (N, k) local rates per block.
        volume: mean of tr J or log |det DF| and the defect of the sum rule, (2,); None without.
        dimension: Kaplan-Yorke, (1,).
        pairs: lambda_i + lambda_{n+1-i}, (k // 2,).
        at_rest: the orbit ends at a fixed point, or comes to rest.
        growing: the orbit keeps growing, so that nothing shows it to be bounded.
        drift: rate at which log |f| changes along the orbit.
        vanished: (k,) share of the members whose tangent vanishes: f maps a whole direction to one point.
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
    growing: bool
    drift: float
    vanished: Floats
    zero: np.ndarray
    size: int
    ordered: bool


def spectrum(
    record: Record, resolved: Resolution, size: int, confidence: float, rounding: float, *, discrete: bool
) -> Spectrum:
    """Of a finished record; `rounding` is what round-off does to a rate."""
    blocks, starts, members, count = record.growth.shape
    series = record.growth.reshape(blocks, starts * members, count)
    vanished = np.isneginf(series).any(0).mean(0)
    lost = vanished > 0
    groups, ordered = groups_of(np.where(lost, 0.0, series))

    def interval(statistic: Callable[[Floats], Floats]) -> Interval:
        return jackknife(groups, statistic, confidence, ordered=ordered)

    raw = interval(np.asarray)
    growth = series.mean(1)
    settling = _settling(np.where(lost, 0.0, growth))
    exponents = Interval(np.where(lost, -np.inf, raw.value), raw.half + settling + resolved.error + rounding)
    at_rest = not discrete and comes_to_rest(record.speed)
    zero = (np.abs(exponents.value) <= exponents.half) & (not at_rest) & (not discrete)

    def dimension(mean: Floats) -> Floats:
        return np.array([kaplan_yorke(np.where(lost, -np.inf, np.where(zero, 0.0, mean)), size)])

    drift = drift_of(record.speed, record.length)
    along = not zero.any() and drift > RECURRED * abs(raw.value[0])  # the growth is that of f(y) itself
    growing = not at_rest and (along or keeps_growing(record.size, record.speed))
    each = [_of_start(record.growth[:, start], confidence) for start in range(starts)]
    return Spectrum(
        exponents=exponents,
        samples=np.array([np.where(lost, record.growth[:, s].mean((0, 1)), one.value) for s, one in enumerate(each)]),
        samples_half=np.array([one.half for one in each]),
        history=np.cumsum(growth, 0) / np.arange(1, blocks + 1)[:, None],
        growth=growth,
        volume=_volume(record, series, resolved, confidence),
        dimension=_nothing(1) if growing else interval(dimension),
        pairs=interval(_pairs),
        at_rest=at_rest,
        growing=growing,
        drift=drift,
        vanished=vanished,
        zero=zero,
        size=size,
        ordered=ordered,
    )


def _settling(growth: Floats) -> Floats:
    """How much the second half of a run (N, k) differs from the whole: tangents that still turn, a slow transient."""
    distance: Floats = np.abs(growth[len(growth) // 2 :].mean(0) - growth.mean(0))
    return distance


def _of_start(growth: Floats, confidence: float) -> Interval:
    groups, ordered = groups_of(np.where(np.isfinite(growth), growth, 0.0))
    return jackknife(groups, np.asarray, confidence, ordered=ordered)


def comes_to_rest(speed: Floats) -> bool:
    """Whether every member slows down for good, or stands still; speed is (N, B)."""
    peaks = np.array([part.max(0) for part in np.array_split(speed, 4)])  # (4, B)
    return bool(((peaks[-1] == 0) | (peaks[1:] < DECAY * peaks[:-1]).all(0)).all())


def keeps_growing(size: Floats, speed: Floats) -> bool:
    """Whether the members grow in every quarter of the run, or with their speed in every block; both are (N, B).

    Nothing then shows the orbit to be bounded. One that is still on its way to an attractor looks the same.
    """
    peaks = np.array([part.max(0) for part in np.array_split(size, 4)])  # (4, B)
    grows = (peaks[1:] > GROWTH * peaks[:-1]).all(0)
    left = grows & (peaks[-1] > AWAY * peaks[0].max())
    steadily = (np.diff(size, axis=0) > 0).all() and (np.diff(speed, axis=0) >= 0).all()
    return bool(grows.all() or left.any() or (steadily and (size[-1] > NOTABLE * size[0]).all()))


def drift_of(speed: Floats, length: float) -> float:
    """Mean rate at which log |f| changes along the orbits; speed is (N, B). It vanishes with time where they recur."""
    if not (speed[[0, -1]] > 0).all() or len(speed) < 2:
        return 0.0
    return float(np.log(speed[-1] / speed[0]).mean() / (length * (len(speed) - 1)))


def _nothing(count: int) -> Interval:
    return Interval(np.full(count, np.nan), np.full(count, np.nan))


def _volume(record: Record, series: Floats, resolved: Resolution, confidence: float) -> Interval | None:
    if record.volume is None:
        return None
    volume = record.volume.reshape(series.shape[:2])
    if np.isneginf(volume).any():  # a volume that vanishes; the exponents must agree
        defect = 0.0 if np.isneginf(series).any() else np.inf
        return Interval(np.array([-np.inf, defect]), np.zeros(2))
    if np.isneginf(series).any():  # tangents vanish, and volumes do not
        return Interval(np.array([volume.mean(), -np.inf]), np.zeros(2))
    groups, ordered = groups_of(np.stack([volume, series.sum(2) - volume], 2))
    found = jackknife(groups, np.asarray, confidence, ordered=ordered)
    return Interval(found.value, found.half + np.array([0.0, resolved.error.sum()]))


def _pairs(exponents: Floats) -> Floats:
    half = exponents.size // 2
    ordered = np.sort(exponents)[::-1]
    pairs: Floats = ordered[:half] + ordered[::-1][:half]
    return pairs
