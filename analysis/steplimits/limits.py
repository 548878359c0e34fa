"""The largest stable step of a method for given modes, the mode that sets it, and what lies beyond it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from fieldsolver.equations.knowledge import linear_part
from fieldsolver.methods import METHODS
from fieldsolver.solve.stability_limit import step_limit
from fieldsolver.solve.stability_region import stability_region

from ..schemes.courant import largest_courant
from ..schemes.rational import RationalScheme
from ..schemes.scheme import Complex, Floats, Scheme
from .growing_modes import bound_of, growing, growing_bound, image_bound
from .long_waves import long_wave_limit
from .modes import Modes
from .parts import FIRST, Parts, Splitter
from .rates import Rates

LEVELS = ("exact", "bounded", "statistical", "empirical")
"""Certificates, the strongest first."""
LONGEST = {True: "set by the longest waves", False: "the longest waves grow"}
SAMPLE = 0.1
"""Where no step is stable, growth is told at this share of the time of the fastest mode."""
WEAK = 3.0
"""Growth rates that fall by more than this factor with half the step fall with more than its first power."""
DISC = 8
"""Points on the circle around an eigenvalue that is known up to a radius."""


@dataclass(frozen=True)
class Limit:
    """The step limit of one method.

    Attributes:
        scheme: the method.
        dt: the largest stable step: infinite when every step is stable, 0 when none is, NaN when it is not known.
        lo: a step that is stable wherever the eigenvalues lie within their discs; `dt` where they are exact.
        binding: position of the mode that sets the limit, -1 when none does.
        certificate: the weaker of those of the modes and of the method.
        route: where it comes from.
        note: what a reader should know, empty for nothing.
        parts: what the eigenvalues of the parts of the method are.
        grows: the modes that grow in the equation itself, of stochastic methods those whose mean square does, ``(N,)``.
    """

    scheme: Scheme
    dt: float
    lo: float
    binding: int
    certificate: str
    route: str
    note: str = ""
    parts: Parts | None = None
    grows: np.ndarray | None = None

    @property
    def is_certified(self) -> bool:
        """Whether the number itself is the limit: neither a bound on one side nor an experiment."""
        return not math.isnan(self.dt) and self.certificate in LEVELS[:2]


def limit(scheme: Scheme, modes: Modes, splitter: Splitter) -> Limit:
    """The limit for all modes; of those that grow in the equation itself see `growing_modes`."""
    parts = splitter(scheme)
    if isinstance(parts, str):
        return Limit(scheme, math.nan, math.nan, -1, "none", modes.route, parts)
    one = len(parts.eigenvalues) == 1
    grows = growing(scheme, modes, parts)
    settled = image_bound(scheme, modes) if one else bound_of(scheme, parts.eigenvalues, np.flatnonzero(~grows))
    grown = growing_bound(scheme, parts.eigenvalues, np.flatnonzero(grows))
    bound = settled if settled.dt <= grown.dt else grown
    lo = min(bound.dt, _within_discs(scheme, modes, bound.dt)) if one else bound.dt
    certificate = weakest(modes.certificate, "exact" if parts.exact else "empirical", settled.certificate)
    certificate = weakest(certificate, grown.certificate)
    note = "" if parts.exact else "the parts share no modes: their shares of each mode were used"
    note = note if modes.rate > 0 else "all rates are zero to first order, so linear theory says nothing of this state"
    return Limit(scheme, bound.dt, lo, bound.binding, certificate, modes.route, note, parts, grows)


def endless_limit(scheme: Scheme, modes: Modes, splitter: Splitter) -> Limit:
    """The limit on a grid without end, where waves may be as long as they like."""
    if modes.stencil is not None and isinstance(scheme, RationalScheme) and not modes.growing.any():
        return _courant(scheme, modes, modes.stencil)
    found = limit(scheme, modes, splitter)
    if len(scheme.parts) > 1 or math.isnan(found.dt):
        return found
    long = long_wave_limit(scheme, modes)
    if long < found.dt:
        return replace(found, dt=long, lo=long, binding=-1, certificate="empirical", note=LONGEST[long > 0])
    return replace(found, certificate="bounded" if found.certificate == "exact" else found.certificate)


def _courant(scheme: Scheme, modes: Modes, stencil: Mapping[int, Fraction]) -> Limit:
    """All angles at once, and the limit of long waves, in exact arithmetic."""
    whole = largest_courant(scheme, stencil)
    dt, parts = whole.bound.dt, Parts((modes.eigenvalues,), exact=True)
    certificate = weakest(modes.certificate, whole.bound.certificate)
    if whole.angle == 0 or not dt > 0:
        return Limit(scheme, dt, dt, -1, certificate, modes.route, LONGEST[dt > 0], parts)
    nearest = int(np.argmin(np.abs(modes.theta[:, 0] - whole.angle))) if math.isfinite(dt) else -1
    return Limit(scheme, dt, dt, nearest, certificate, modes.route, "", parts)


def weakest(*certificates: str) -> str:
    """The least of some certificates."""
    return max(certificates, key=LEVELS.index)


def growth_per_time(found: Limit, dt: float) -> float:
    """``log(growth)/dt`` of the mode that sets the limit."""
    if found.parts is None or found.binding < 0:
        return math.nan
    z = [dt * value[found.binding : found.binding + 1] for value in found.parts.eigenvalues]
    growth = float(found.scheme.growth(*z)[0])
    return math.log(growth) / dt if growth > 0 else -math.inf


def behaviour(found: Limit, rate: float) -> str:
    """In words: how steps of any size behave.

    Where no step is stable, the growth rate falls with a power of dt: the first for Euler's method on waves; a higher
    one, where the border of the stability set touches the axis, is called weak.
    """
    if math.isnan(found.dt):
        return "not known"
    if found.dt > 0:
        return "stable for every dt" if found.dt == math.inf else "stable up to dt_max"
    coarse, fine = (growth_per_time(found, share * SAMPLE / max(rate, 1e-300)) for share in (1.0, 0.5))
    return "weakly unstable for every dt" if fine > 0 and coarse > WEAK * fine else "unstable for every dt"


def engine_limits(rates: Rates) -> dict[str, float]:
    """What the quick check of `fieldsolver.solve` says, per method of the solver."""
    equation = rates.equation
    if equation is None:
        return {}
    linear = linear_part(equation, float(rates.t))
    known = [method for method in METHODS.values() if stability_region(method) is not None]
    return {method.name: step_limit(method, linear).dt for method in known}


def _within_discs(scheme: Scheme, modes: Modes, dt: float) -> float:
    """The limit when every eigenvalue may lie anywhere in its disc, in the left half plane."""
    known = (modes.radius > 0) & (np.abs(modes.eigenvalues) > modes.radius) & ~modes.growing
    if not known.any():
        return dt
    circle = 1.1 * np.exp(2j * np.pi * np.arange(DISC) / DISC)  # the polygon holds the disc
    values = (modes.eigenvalues[known, None] + modes.radius[known, None] * circle).ravel()
    values = values[values.real <= 0]
    return min(dt, scheme.largest_step(values).dt) if values.size else dt


def elasticities(found: Limit, shares: Complex, first: Collection[int]) -> Floats:
    """``-d log(dt) / d log(term)``: by how much a stronger term shortens the step, ``(terms,)``; they add up to 1.

    On the border of the stability set ``log growth(dt lambda) = 0``; its derivatives along the shares of the terms and
    along the whole eigenvalue have the ratio that is asked for.

    Args:
        found: the limit.
        shares: ``left^H J_term right`` of the binding mode, ``(terms,)``.
        first: positions of the terms of the implicit part, see `Splitter`.
    """
    nothing = np.full(shares.size, math.nan)
    if found.parts is None or found.binding < 0 or not 0 < found.dt < math.inf or "noise" in found.scheme.parts:
        return nothing
    z = [found.dt * value[found.binding] for value in found.parts.eigenvalues]
    moves = np.array([_moves(found.scheme, found.dt * share, k in first) for k, share in enumerate(shares)])
    slopes = _slopes(found.scheme, z, np.vstack([moves, z]))
    return slopes[:-1] / slopes[-1] if abs(slopes[-1]) > SMALL else nothing


def _moves(scheme: Scheme, share: complex, is_first: bool) -> list[complex]:
    """Where in its arguments a method sees a term."""
    if len(scheme.parts) == 1:
        return [share]
    return [share if (name in FIRST) == is_first else 0j for name in scheme.parts]


def _slopes(scheme: Scheme, z: list[complex], directions: Complex) -> Floats:
    """Derivatives of ``log growth`` at z along some directions ``(n, parts)``."""
    ends = [scheme.growth(*(np.array(z) + sign * STEP * directions).T) for sign in (1.0, -1.0)]
    if not (np.isfinite(ends).all() and np.min(ends) > 0):
        return np.zeros(len(directions))  # far outside, where nothing is bound by the border
    return np.asarray((np.log(ends[0]) - np.log(ends[1])) / (2 * STEP))


STEP = 1e-6
"""Relative change of a term by which its effect is measured."""
SMALL = 1e-8
"""A slope of the growth below this is none: the border is only touched."""
