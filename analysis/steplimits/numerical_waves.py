"""What a step does to single waves: their damping, their phase, and how many points a wave needs.

One step multiplies a mode by R(z), z = dt lambda. The numerical rate log(R)/dt stands beside lambda: its real part is
the numerical damping, its imaginary part the numerical frequency.

Source: L. N. Trefethen, SIAM Review 24 (1982) 113; J. W. Thomas, Numerical Partial Differential Equations (1995),
chapter 7.
"""

from __future__ import annotations

import math

import numpy as np

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import EquationError

from ..schemes.scheme import Complex, Floats, Scheme
from .limits import Limit
from .modes import Modes

SHOWN = 200
"""Modes whose numerical rates are reported."""
TOLERANCE = 0.01
"""Relative phase error at which points per wavelength are counted."""
FEWEST, MOST = 2.0, 2000.0
"""Points per wavelength that are tried."""


def numerical_rate(scheme: Scheme, dt: float, *eigenvalues: Complex) -> Complex:
    """``log(R(dt lambda))/dt``, on the branch next to ``lambda``."""
    factor = scheme.factor(*[dt * value for value in eigenvalues])
    with np.errstate(divide="ignore"):
        growth, angle = np.log(np.abs(factor)), np.angle(factor)
    turns = np.round((dt * sum(value.imag for value in eigenvalues) - angle) / (2 * np.pi))
    rate = np.empty(factor.shape, dtype=complex)
    rate.real, rate.imag = growth / dt, (angle + 2 * np.pi * turns) / dt
    return rate


def shown_modes(modes: Modes) -> np.ndarray:
    """Positions of modes to report: one for each wave along the first axis, the longest first, else the slowest ones.

    Of the modes of one wave it is the one that oscillates fastest, and where none does, the slowest to decay.
    """
    angle = modes.theta
    if angle.shape[1] and np.isfinite(angle).all():
        along = np.flatnonzero((angle[:, 0] > 0) & (np.abs(angle[:, 1:]).max(axis=1, initial=0.0) < 1e-12))
        values = modes.eigenvalues[along]
        order = along[np.lexsort((-values.real, -np.abs(values.imag), angle[along, 0]))]
        _, first = np.unique(angle[order, 0], return_index=True)
        order = order[first]
    else:
        moving = np.flatnonzero((np.abs(modes.eigenvalues) > 0) & (modes.eigenvalues.imag >= 0))
        order = moving[np.argsort(np.abs(modes.eigenvalues[moving]))]
    return order[np.unique(np.linspace(0, max(order.size - 1, 0), min(SHOWN, order.size)).astype(int))]


def exact_frequencies(equation: FieldEquation | None, modes: Modes, chosen: np.ndarray) -> Floats:
    """Frequencies of the differential equation at the waves of some modes; NaN where they are not known."""
    unknown = np.full(chosen.size, math.nan)
    if (
        equation is None
        or equation.grid is None
        or equation.layout.domains
        or equation.layout.graph is not None
        or not np.isfinite(modes.theta[chosen]).all()
    ):
        return unknown
    try:
        symbol = equation.symbol(modes.theta[chosen] / np.array(equation.layout.required_grid().spacing))
    except EquationError:
        return unknown
    values = np.linalg.eigvals(symbol).imag
    frequency = values[range(chosen.size), np.argmax(np.abs(values), axis=1)]
    return np.asarray(np.abs(frequency) * np.sign(modes.eigenvalues[chosen].imag))


def damping_and_frequency(found: Limit, dt: float, chosen: np.ndarray) -> tuple[Floats, Floats]:
    """``|R|`` and the numerical frequency of some modes; NaN without a step."""
    if found.parts is None or not (math.isfinite(dt) and dt > 0) or "noise" in found.scheme.parts:
        return np.full(chosen.size, math.nan), np.full(chosen.size, math.nan)
    values = [part[chosen] for part in found.parts.eigenvalues]
    size = np.abs(found.scheme.factor(*[dt * value for value in values]))
    return size, np.asarray(numerical_rate(found.scheme, dt, *values).imag)


def relative(numerical: Floats, frequency: Floats, scale: float) -> Floats:
    """Relative errors of frequencies; NaN where there is none beside rates of the size `scale`."""
    known = np.abs(frequency) > 1e-12 * scale
    return np.where(known, numerical / np.where(known, frequency, 1.0) - 1, math.nan)


def points_per_wavelength(found: Limit, equation: FieldEquation | None, dt: float) -> float:
    """The fewest points per wavelength, along the first axis, from which on the phase is right to one percent.

    The frequency on the grid and in steps of `dt` is compared with that of the differential equation. NaN where the
    equation has no symbol, no waves, or more parts than one.
    """
    if len(found.scheme.parts) > 1 or not (math.isfinite(dt) and dt > 0):
        return math.nan
    if equation is None or equation.grid is None or equation.layout.graph is not None:
        return math.nan
    points = np.geomspace(FEWEST, MOST, 1500)
    try:
        spacing = equation.layout.required_grid().spacing
        k = np.zeros((points.size, equation.dimension))
        k[:, 0] = 2 * np.pi / (points * spacing[0])
        exact, discrete = (np.linalg.eigvals(equation.symbol(k, discrete=flag)) for flag in (False, True))
    except EquationError:
        return math.nan
    exact, discrete = (values[range(points.size), np.argmax(values.imag, axis=1)] for values in (exact, discrete))
    if not (np.abs(exact.imag) > 1e-9 * np.abs(exact)).all():
        return math.nan
    error = np.abs(numerical_rate(found.scheme, dt, discrete).imag / exact.imag - 1)
    bad = np.flatnonzero(~(error <= TOLERANCE))
    if bad.size == 0:
        return FEWEST
    return float(points[bad[-1] + 1]) if bad[-1] + 1 < points.size else math.nan
