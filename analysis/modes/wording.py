"""The finding of a dispersion analysis in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from .bands import Band
from .steady import SteadyStates
from .uniform_state import StateAnalysis


def short(state: Tensor) -> str:
    """``(1, 0.9)``, the first six components."""
    numbers = [_number(complex(value)) for value in state[:6]]
    return f"({', '.join(numbers)}{', ...' if len(state) > 6 else ''})"


def reason_of(analyses: Sequence[StateAnalysis], found: SteadyStates, critical: str | None) -> str:
    """One sentence: which state, which instability, how fast, which modes."""
    unstable = [one for one in analyses if one.curve.bands]
    if len(analyses) == 1:
        text = _described(analyses[0])
    elif not unstable:
        text = f"all {len(analyses)} uniform steady states are stable"
    else:
        worst = max(unstable, key=lambda one: max(band.growth.real for band in one.curve.bands))
        listed = ", ".join(f"{short(one.state)} {one.curve.regime}" for one in analyses)
        text = f"{len(analyses)} uniform steady states: {listed}; the fastest growth is the {_described(worst)}"
    if bool(found.continuum[: len(analyses)].any()):
        text += "; a uniform mode is neutral: such states form a continuum, or this is a double one (a fold)"
    if critical is not None:
        text += "".join(_onset(one, critical) for one in analyses if one.onset is not None)
    return text


def _described(one: StateAnalysis) -> str:
    remarks = "".join(f"; {remark}" for remark in one.remarks())
    fastest = one.curve.fastest
    if fastest is None:
        return f"the uniform state {short(one.state)} is {one.curve.regime}{remarks}"
    others = sorted({band.kind for band in one.curve.bands} - {fastest.kind})
    also = f" (also {', '.join(others)})" if others else ""
    return f"{_kind(fastest)} of the uniform state {short(one.state)}{also}{_modes(one)}{remarks}"


def _kind(band: Band) -> str:
    if band.kind == "ill-posed":
        return "the shorter the wave the faster it grows, without bound (ill-posed): instability"
    if band.kind == "short-wave":
        return f"short-wave instability (growth {band.growth.real:.4g} however large k is)"
    rotation = f" and frequency {abs(band.growth.imag):.4g}" if abs(band.growth.imag) > 1e-9 * abs(band.growth) else ""
    edge = f"{band.low:.4g} < k < {band.high:.4g}" if math.isfinite(band.high) else f"k > {band.low:.4g}"
    if band.low == 0 and band.kind in ("Turing", "wave"):
        edge += ": the uniform state itself grows, too"
    where = f"growth {band.growth.real:.4g}{rotation} at k = {band.k_max:.4g}"
    return f"{band.kind} instability ({where}, band {edge})"


def _modes(one: StateAnalysis) -> str:
    if isinstance(one.modes, str) or not one.unstable_modes:
        return ""
    fastest = float(one.modes.rate.real.max())
    return f"; {one.unstable_modes} modes of this grid grow, the fastest at {fastest:.4g}"


def _onset(one: StateAnalysis, parameter: str) -> str:
    found = one.onset
    if found is None:
        return ""
    if found.kind == "fold":
        side = "below" if found.slope > 0 else "above"
        return f"; this steady state ends in a fold at {parameter} = {found.value:.8g} and does not exist {side}"
    side = "above" if found.slope > 0 else "below"
    wave = f", k = {found.k:.6g}" if found.k else ""
    rotation = f", frequency {found.omega:.6g}" if found.omega > 1e-9 else ""
    return f"; in an unbounded medium unstable ({found.kind}{wave}{rotation}) for {parameter} {side} {found.value:.8g}"


def _number(value: complex) -> str:
    value = complex(*(0.0 if abs(part) < 1e-12 else part for part in (value.real, value.imag)))
    return f"{value.real:.4g}" if value.imag == 0 else f"{value:.4g}"
