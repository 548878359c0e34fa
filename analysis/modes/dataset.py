"""The dispersion relation of one or several steady states as a labelled dataset."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldsolver.equations.vocabulary import AXES

from ..labels import entry
from .admissible import Modes
from .bands import Band
from .completeness import certificate
from .growth import growth_rates
from .linearise import Linearised
from .numbers import Floats
from .sampling import FEW_WAVES
from .uniform_state import StateAnalysis

if TYPE_CHECKING:
    import xarray

POINTS = 401
BEYOND = 1.5
"""The curve is drawn this far beyond the last edge of a band."""
MOST_MODES = 1000

RATE, WAVE = "1/time", "1/length"


def dataset_of(linearised: Linearised, analyses: Sequence[StateAnalysis], k_max: float | None) -> xarray.Dataset:
    """Dimensions ``k``, ``branch``, ``band``, ``mode``, ``axis``, ``wave``; ``steady_state`` if there are several."""
    import xarray

    names = wave_names(linearised)
    points = POINTS if linearised.waves <= FEW_WAVES else POINTS // 4
    k = np.linspace(0.0, k_max or _span(analyses), points)
    level = "exact" if all(certificate(one.curve) == "exact" for one in analyses) else "empirical"
    parts = [_one(analysis, names, k, _most_bands(analyses), _most_modes(analyses), level) for analysis in analyses]
    joined = xarray.concat(parts, "steady_state", combine_attrs="override") if len(parts) > 1 else parts[0]
    coordinates: dict[str, Any] = {
        "k": entry(("k",), k, "wave number", WAVE),
        "wave": entry(("wave",), names, "perturbed component"),
        "axis": entry(("axis",), list(AXES[: len(analyses[0].direction)]), "axis of the grid"),
    }
    if len(parts) > 1:
        coordinates["steady_state"] = entry(("steady_state",), np.arange(len(parts)), "number of the steady state")
    return joined.assign_coords(coordinates)


def wave_names(linearised: Linearised) -> list[str]:
    """Names of the components, and of the conjugates of the complex ones."""
    names: list[str] = []
    for field, (_, size) in linearised.equation.layout.fields.items():
        names.extend([field] if size == 1 else [f"{field}[{i}]" for i in range(size)])
    conjugates = linearised.mirror[linearised.size :].tolist()
    return names + [f"conj({names[i]})" for i in conjugates]


def _span(analyses: Sequence[StateAnalysis]) -> float:
    edges = [band.high for one in analyses for band in one.curve.bands if math.isfinite(band.high)]
    peaks = [peak.k for one in analyses for peak in one.curve.maxima]
    wanted = BEYOND * max([*edges, *peaks], default=0.0)
    return wanted or max(one.curve.top for one in analyses) / 2


def _most_bands(analyses: Sequence[StateAnalysis]) -> int:
    return max(1, *(len(one.curve.bands) for one in analyses))


def _most_modes(analyses: Sequence[StateAnalysis]) -> int:
    return max(1, *(0 if isinstance(one.modes, str) else min(len(one.modes.k), MOST_MODES) for one in analyses))


def _one(analysis: StateAnalysis, names: list[str], k: Floats, bands: int, modes: int, level: str) -> xarray.Dataset:
    import xarray

    curve = analysis.curve
    rates = growth_rates(curve.ray, k)
    J = analysis.symbol.uniform()
    state = np.asarray(analysis.state.numpy())
    full = state if len(state) == len(names) else _with_conjugates(state, names)
    along = ("k", "branch")
    variables = {
        "growth_rate_re": entry(along, rates.real, "growth rate, fastest branch first", RATE),
        "growth_rate_im": entry(along, rates.imag, "angular frequency of the branch", RATE),
        "uniform_growth_re": entry(("branch",), curve.uniform.real, "growth rate of uniform perturbations", RATE),
        "uniform_growth_im": entry(("branch",), curve.uniform.imag, "their angular frequency", RATE),
        "jacobian_re": entry(("wave", "by"), J.real, "d rate / d component, of uniform states", RATE),
        "jacobian_im": entry(("wave", "by"), J.imag, "its imaginary part", RATE),
        "state_re": entry(("wave",), full.real, "uniform steady state"),
        "state_im": entry(("wave",), full.imag, "its imaginary part"),
        "residual": entry((), analysis.residual, "largest rate at the steady state"),
        "regime": entry((), curve.regime, "kind of the fastest instability, 'stable' or 'neutral'"),
        "far_rate": entry(
            (), curve.far.rate, "growth at large k is far_rate * k**far_exponent", certificate=curve.far.certificate
        ),
        "far_exponent": entry((), curve.far.exponent, "see far_rate"),
        "direction": entry(("axis",), analysis.direction, "unit vector along which k is taken"),
        **_band_entries(list(curve.bands), bands, level),
        **_mode_entries(analysis, modes),
        **_onset_entries(analysis),
    }
    by = {"by": entry(("by",), names, "component that acts")}
    return xarray.Dataset(variables, coords=by)


def _with_conjugates(state: np.ndarray, names: list[str]) -> np.ndarray:
    partners = [names.index(name[5:-1]) for name in names[len(state) :]]
    return np.concatenate([state, state[partners].conj()])


def _band_entries(bands: list[Band], length: int, level: str) -> dict[str, Any]:
    def column(values: list[float]) -> Floats:
        return np.array([*values, *[math.nan] * (length - len(values))])

    growth = [band.growth for band in bands]
    kinds = np.array([band.kind for band in bands] + [""] * (length - len(bands)), dtype="U16")
    along = ("band",)
    waves = [2 * math.pi / band.k_max if 0 < band.k_max < math.inf else math.inf * (band.k_max == 0) for band in bands]
    return {
        "n_bands": entry((), len(bands), "number of bands (n_valid); the entries behind are NaN"),
        "band_lo": entry(along, column([band.low for band in bands]), "lower edge", WAVE, certificate=level),
        "band_hi": entry(along, column([band.high for band in bands]), "upper edge", WAVE, certificate=level),
        "k_max": entry(along, column([band.k_max for band in bands]), "fastest growing wave number", WAVE),
        "sigma_max": entry(along, column([value.real for value in growth]), "its growth rate", RATE),
        "omega_max": entry(along, column([abs(value.imag) for value in growth]), "its angular frequency", RATE),
        "wavelength": entry(along, column([w or 0.0 for w in waves]), "its wavelength", "length"),
        "instability_type": entry(along, kinds, "kind of instability"),
    }


def _mode_entries(analysis: StateAnalysis, length: int) -> dict[str, Any]:
    nothing, no_number = np.zeros(0), np.zeros(0, dtype=complex)
    unknown = Modes(nothing[:, None], no_number, no_number, nothing, False, math.nan)
    modes = unknown if isinstance(analysis.modes, str) else analysis.modes
    count = min(len(modes.k), length)

    def column(values: np.ndarray) -> Floats:
        return np.concatenate([np.asarray(values[:count], dtype=float), np.full(length - count, math.nan)])

    along = ("mode",)
    return {
        "n_modes": entry((), count, "number of modes listed (n_valid), long waves first"),
        "mode_k": entry(along, column(modes.length), "wave number of a mode of the domain", WAVE),
        "mode_growth": entry(along, column(modes.rate.real), "its growth rate on the grid", RATE),
        "mode_omega": entry(along, column(np.abs(modes.rate.imag)), "its frequency", RATE),
        "mode_growth_continuous": entry(
            along, column(modes.continuous.real), "growth rate of that wave without a grid", RATE
        ),
        "mode_multiplicity": entry(along, column(modes.multiplicity), "modes that share it"),
        "unstable_modes": entry(
            (), -1 if analysis.unstable_modes is None else analysis.unstable_modes, "growing modes, -1 if not known"
        ),
        "nyquist": entry((), modes.nyquist, "largest wave number of the grid", WAVE),
    }


def _onset_entries(analysis: StateAnalysis) -> dict[str, Any]:
    found = analysis.onset
    return {
        "critical_value": entry((), found.value if found else math.nan, "parameter at which stability changes"),
        "critical_k": entry((), found.k if found else math.nan, "wave number that starts to grow there", WAVE),
        "critical_omega": entry((), found.omega if found else math.nan, "its angular frequency", RATE),
        "critical_slope": entry((), found.slope if found else math.nan, "d growth rate / d parameter there", RATE),
        "critical_type": entry((), found.kind if found else "", "kind of instability there"),
    }
