"""The periodic part of a series: a fundamental frequency and a few of its harmonics beside a line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..orders.models import Floats

HARMONICS = 6
"""Kepler-like energies come in spikes, once a period; six harmonics follow them."""

LEAST_PERIODS = 2.0
"""What repeats less often than this within the series cannot be told from a drift."""

LEAST_SHARE = 0.9
"""Of the variance about a line that must be periodic; coloured noise has its peaks, too, but none of this size."""

CLEARLY = 0.25
"""A longer period must leave this share of what a shorter one leaves."""

POINTS_PER_UNKNOWN = 8
OVERSAMPLING = 4
SCANNED_POINTS = 512
CANDIDATES = 4


@dataclass(frozen=True)
class Oscillation:
    """``sum_h a_h cos(h w t) + b_h sin(h w t)``.

    Attributes:
        period: ``2 pi/w``.
        amplitude: half the distance between its largest and smallest value at the times of the series.
        columns: ``(n, 2 H)``, the cosines and sines at these times.
    """

    period: float
    amplitude: float
    columns: Floats


def find_oscillation(t: Floats, values: Floats) -> Oscillation | None:
    """The periodic part of `values` about a straight line, or None when the series is not mostly periodic."""
    harmonics = min(HARMONICS, len(t) // (2 * POINTS_PER_UNKNOWN))
    span = float(t[-1] - t[0])
    rest = values - _fitted(_line(t), values)
    if harmonics < 1 or not float(rest @ rest) > 0:
        return None
    best, left = None, float(rest @ rest) * (1 - LEAST_SHARE)
    for frequency in sorted(_candidates(t, rest, span), reverse=True):
        below = int(np.pi * (len(t) - 1) / span / frequency)  # harmonics beyond the Nyquist frequency mean nothing
        columns = _waves(t, frequency, max(1, min(harmonics, below)))
        remaining = values - _fitted(np.hstack([_line(t), columns]), values)
        size = float(remaining @ remaining)
        if size <= left * (1 if best is None else CLEARLY):  # twice the period always fits as well
            best, left = (frequency, columns), size
    if best is None:
        return None
    frequency, columns = best
    weights = np.linalg.lstsq(np.hstack([_line(t), columns]), values, rcond=None)[0][2:]
    wave = columns @ weights
    return Oscillation(2 * np.pi / abs(frequency), 0.5 * float(np.ptp(wave)), columns)


def _candidates(t: Floats, rest: Floats, span: float) -> list[float]:
    """Angular frequencies: the peaks of the least-squares spectrum, refined, and their halves."""
    lowest, highest = 2 * np.pi * LEAST_PERIODS / span, np.pi * (len(t) - 1) / span
    if not highest > lowest:
        return []
    count = min(OVERSAMPLING * len(t), OVERSAMPLING * SCANNED_POINTS)
    grid = np.linspace(lowest, highest, count)
    power = np.concatenate([_power(t, rest, piece) for piece in np.array_split(grid, count // 128 + 1)])
    inner = np.flatnonzero((power[1:-1] >= power[:-2]) & (power[1:-1] >= power[2:])) + 1
    peaks = inner[np.argsort(power[inner])[::-1][:CANDIDATES]] if inner.size else np.array([int(np.argmax(power))])
    refined = [_refined(t, rest, grid[peak], grid[1] - grid[0]) for peak in peaks]
    return [w for peak in refined for w in (peak, peak / 2, peak / 3) if w >= lowest]


def _power(t: Floats, rest: Floats, frequencies: Floats) -> Floats:
    """Variance that a wave explains, in the approximation that its cosine and sine are orthogonal."""
    return np.asarray(np.abs(np.exp(1j * np.outer(frequencies, t)) @ rest) ** 2)


def _refined(t: Floats, rest: Floats, frequency: float, width: float) -> float:
    from scipy.optimize import minimize_scalar

    def left(w: float) -> float:
        remaining = rest - _fitted(np.hstack([_line(t), _waves(t, w, 1)]), rest)
        return float(remaining @ remaining)

    bounds = (frequency - width, frequency + width)
    return float(minimize_scalar(left, bounds=bounds, method="bounded", options={"xatol": 1e-6 * width}).x)


def _waves(t: Floats, frequency: float, harmonics: int) -> Floats:
    angles = np.outer(t - t[0], frequency * np.arange(1, harmonics + 1))
    return np.hstack([np.cos(angles), np.sin(angles)])


def _line(t: Floats) -> Floats:
    scaled = (t - t.mean()) / max(float(np.ptp(t)), np.finfo(float).tiny)
    return np.stack([np.ones_like(t), scaled], axis=1)


def _fitted(columns: Floats, values: Floats) -> Floats:
    return np.asarray(columns @ np.linalg.lstsq(columns, values, rcond=None)[0])
