"""Bands of growing wave numbers along a ray: edges and maxima to round-off, and what kind of instability each is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from .far_field import FarField, far_field
from .growth import Leading, growth_rates, noise, sorted_rates
from .newton import bracketed_root
from .numbers import Complex, Floats
from .sampling import scales, top_of, wave_numbers
from .symbol import Ray

DOUBLINGS = 40
KINDS = ("Turing", "Hopf", "uniform", "wave", "long-wave", "short-wave", "ill-posed")
"""M. C. Cross and P. C. Hohenberg, Rev. Mod. Phys. 65, 851 (1993): types I_s, III_o, III_s, I_o, II; the last two grow
for arbitrarily short waves, at a bounded and an unbounded rate."""


@dataclass(frozen=True)
class Maximum:
    """A local maximum of the largest growth rate.

    Attributes:
        k: where it is.
        growth: sigma there, complex.
    """

    k: float
    growth: complex


@dataclass(frozen=True)
class Band:
    """A maximum of growth and the interval of growing wave numbers around it.

    Attributes:
        low: lower edge; exactly 0 when the band reaches the uniform state.
        high: upper edge, infinite for a band without one.
        k_max: the fastest growing wave number; infinite when there is none.
        growth: sigma there, complex.
        kind: one of `KINDS`.
    """

    low: float
    high: float
    k_max: float
    growth: complex
    kind: str


@dataclass(frozen=True)
class Relation:
    """The dispersion relation along a ray.

    Attributes:
        ray: the symbol along a direction.
        k: sampled wave numbers ``(K,)``.
        rates: all growth rates there, ``(K, W)``, the fastest first.
        uniform: growth rates of uniform perturbations ``(W,)``, averages over the domain included.
        bands: of growth, by their maxima.
        maxima: all local maxima, those of decaying waves included.
        far: what happens as k tends to infinity.
        top: largest sampled wave number.
    """

    ray: Ray
    k: Floats
    rates: Complex
    uniform: Complex
    bands: tuple[Band, ...]
    maxima: tuple[Maximum, ...]
    far: FarField
    top: float

    @property
    def regime(self) -> str:
        """The kind of the fastest band; without any ``"neutral"`` or ``"stable"``."""
        if self.bands:
            return max(self.bands, key=_urgency).kind
        still = np.abs(self.rates[1:, 0].real) <= noise(self.ray, self.k[1:])
        return "neutral" if bool(still.any()) else "stable"

    @property
    def fastest(self) -> Band | None:
        """The band that grows fastest."""
        return max(self.bands, key=_urgency) if self.bands else None


def _urgency(band: Band) -> tuple[bool, float]:
    return band.kind == "ill-posed", band.growth.real


def relation(ray: Ray, *, top: float | None = None, fallback: float = 1.0, share: float = 1.0) -> Relation:
    """Sample, then refine every maximum and every edge by Newton's method.

    Args:
        ray: the symbol along a direction.
        top: sample at least so far; beyond it where the equation says so.
        fallback: where no scale is to be seen in the symbol.
        share: of the usual number of samples.
    """
    far = far_field(ray, max(scales(ray), default=fallback))
    top = max(top or 0.0, _high_enough(ray, top_of(ray, fallback), far))
    k = wave_numbers(ray, top, share)
    leading = Leading(ray)
    rates = growth_rates(ray, k)
    maxima = _maxima(leading, k, rates[:, 0])
    bands = _bands(leading, k, rates[:, 0], maxima, far)
    uniform = sorted_rates(np.linalg.eigvals(ray.symbol.uniform()))
    if ray.symbol.has_mean:
        bands = [*_uniform_band(uniform[0], noise(ray, k[:1])[0]), *map(_long_wave, bands)]
    return Relation(ray, k, rates, uniform, tuple(bands), tuple(maxima), far, top)


def _high_enough(ray: Ray, top: float, far: FarField) -> float:
    """Doubled until the shortest waves decay, unless the leading order says that they never do."""
    if far.grows or ray.kernels:
        return top
    for _ in range(DOUBLINGS):
        last = np.array([top])
        if growth_rates(ray, last)[0, 0].real <= noise(ray, last)[0]:
            return top
        top *= 2
    return top


def _maxima(leading: Leading, k: Floats, rate: Complex) -> list[Maximum]:
    r, tolerance = rate.real, noise(leading.ray, k)
    found = []
    if r[0] > r[1] + tolerance[1]:
        found.append(Maximum(0.0, complex(rate[0])))
    rises = r[1:-1] > r[:-2] + tolerance[1:-1]
    falls = r[1:-1] >= r[2:] - tolerance[1:-1]
    for i in 1 + np.flatnonzero(rises & falls):
        if i == len(k) - 2 and r[-1] >= r[i] - tolerance[i]:
            continue  # a plateau that goes on
        position = bracketed_root(leading.slope, float(k[i - 1]), float(k[i + 1])) if i > 1 else _first(leading, k)
        found.append(Maximum(position, leading.value(position)))
    return found


def _first(leading: Leading, k: Floats) -> float:
    """The slope of an even function vanishes at 0 too, which is no bracket."""
    return bracketed_root(leading.slope, float(k[1]) * 0.5, float(k[2]))


def _bands(leading: Leading, k: Floats, rate: Complex, maxima: list[Maximum], far: FarField) -> list[Band]:
    points = {float(x): complex(value) for x, value in zip(k, rate, strict=True)}
    points |= {peak.k: peak.growth for peak in maxima}
    x = np.array(sorted(points))
    values = np.array([points[position] for position in x])
    tolerance = noise(leading.ray, x)
    grows = values.real > tolerance
    bands: list[Band] = []
    for first, last in _runs(grows):
        low = 0.0 if first == 0 else _low_edge(leading, x, values, tolerance, first)
        open_ended = last == len(x) - 1
        high = math.inf if open_ended and far.grows else math.nan if open_ended else _edge(leading, x, last)
        inside = [peak for peak in maxima if x[first] <= peak.k <= x[last]]
        bands.extend(_described(leading.ray, peak, low, high, values[0], tolerance[0]) for peak in inside)
        if open_ended and far.grows:
            bands.append(_endless(low, x, values, far))
        elif open_ended and (not inside or values[last].real > max(peak.growth.real for peak in inside)):
            bands.append(
                _described(
                    leading.ray, Maximum(float(x[last]), complex(values[last])), low, high, values[0], tolerance[0]
                )
            )
    return bands


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """First and last positions of the intervals in which a flag holds."""
    change = np.diff(np.concatenate([[False], flags, [False]]).astype(int))
    return list(zip(np.flatnonzero(change == 1), np.flatnonzero(change == -1) - 1, strict=True))


def _low_edge(leading: Leading, x: Floats, values: Complex, tolerance: Floats, first: int) -> float:
    """0 where the growth rate leaves an exact zero of the uniform state: a conserved mode."""
    if first == 1 and abs(values[0].real) <= max(tolerance[0], tolerance[1]):
        return 0.0
    return bracketed_root(leading.rate, float(x[first - 1]), float(x[first]))


def _edge(leading: Leading, x: Floats, last: int) -> float:
    return bracketed_root(leading.rate, float(x[last]), float(x[last + 1]))


def oscillates(ray: Ray, k: float, growth: complex) -> bool:
    """Whether a growth rate has an imaginary part that is no round-off."""
    return bool(abs(growth.imag) > 1e4 * noise(ray, np.array([k]))[0])


def _described(ray: Ray, peak: Maximum, low: float, high: float, uniform: complex, zero: float) -> Band:
    rotates = oscillates(ray, peak.k, peak.growth)
    if peak.k == 0:
        kind = "Hopf" if rotates else "uniform"
    elif low == 0 and uniform.real <= zero:
        kind = "long-wave"
    else:
        kind = "wave" if rotates else "Turing"
    return Band(low, high, peak.k, peak.growth, kind)


def _uniform_band(growth: complex, zero: float) -> list[Band]:
    """The uniform mode alone, which averages over the domain set apart from long waves."""
    if growth.real <= zero:
        return []
    return [Band(0.0, 0.0, 0.0, complex(growth), "Hopf" if abs(growth.imag) > 1e-9 * abs(growth) else "uniform")]


def _long_wave(band: Band) -> Band:
    return replace(band, kind="long-wave") if band.k_max == 0 else band


def _endless(low: float, x: Floats, values: Complex, far: FarField) -> Band:
    if far.is_ill_posed:
        return Band(low, math.inf, math.inf, complex(math.inf, math.nan), "ill-posed")
    return Band(low, math.inf, math.inf, complex(far.rate, values[-1].imag), "short-wave")
