"""The routes to the modes of a right-hand side, from the most rigorous to an experiment, and which are taken."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from fieldsolver.errors import OptionError, listing, nearest

from ..schemes.scheme import Complex, Floats, Scheme
from ..spectra import Linearisation, numerical_range
from .endless import endless_modes
from .frozen import frozen_modes
from .modes import Modes, NoModes
from .rates import Rates
from .spectrum import spectrum_modes
from .symbol import symbol_modes

ROUTES = ("symbol", "spectrum", "frozen", "range", "empirical")
CROSS_CHECKED = 150
"""Unknowns up to which eigenvalues check the symbol."""
RANGE_SIZE = 300
"""Unknowns up to which the numerical range is looked at without being asked for."""
EDGE = 16
"""Points on every edge of the polygon around the numerical range."""


@dataclass
class Found:
    """What the routes gave.

    Attributes:
        modes: per route; the first one is the most rigorous and decides.
        range: corners of a polygon around the numerical range, ``(m,)``, if it was looked at.
        abscissa: upper bound on the numerical abscissa; NaN if it was not.
        skipped: why a route was not taken, in one clause each.
    """

    modes: dict[str, Modes] = field(default_factory=dict)
    range: Complex | None = None
    abscissa: float = float("nan")
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def first(self) -> Modes | None:
        """The modes of the most rigorous route that applies."""
        return next(iter(self.modes.values()), None)


def checked_route(route: str | None) -> str | None:
    """The route, or an `OptionError`."""
    if route is not None and route not in (*ROUTES, "all"):
        known = (*ROUTES, "all")
        raise OptionError(f"route is None or one of {listing(known)}, got {route!r}{nearest(str(route), known)}")
    return route


def find_modes(rates: Rates, lin: Linearisation, route: str | None, *, endless: bool) -> Found:
    """Take the routes that are asked for, or those that the question needs.

    Raises:
        OptionError: the one route that was asked for does not apply; the message says why.
    """
    found = Found()
    if not lin.differentiable and route != "symbol":
        found.skipped["symbol"] = lin.reason + "; route='symbol' takes torch's derivative all the same"
    for name in ("symbol", "spectrum", "frozen"):
        if _is_wanted(name, found, lin, route, endless=endless):
            _take(name, found, rates, lin, endless=endless)
    if route in ("range", "all") or (route is None and _range_is_cheap(found, lin)):
        _take_range(found, lin)
    if route in ("symbol", "spectrum", "frozen") and not found.modes:
        raise OptionError(f"route={route!r} does not apply: {found.skipped[route]}; leave route out")
    return found


def _is_wanted(name: str, found: Found, lin: Linearisation, route: str | None, *, endless: bool) -> bool:
    if name in found.skipped:
        return False
    if endless:
        return name == "symbol"
    if route is not None:
        return route in (name, "all") or (route in ("range", "empirical") and name == "spectrum")
    if name == "symbol":
        return True
    if name == "spectrum":
        return not found.modes or (lin.size <= CROSS_CHECKED and lin.y.dim() > 1)
    return all(modes.certificate not in ("exact", "bounded") for modes in found.modes.values())


def _take(name: str, found: Found, rates: Rates, lin: Linearisation, *, endless: bool) -> None:
    try:
        if name == "symbol":
            found.modes[name] = _trusted(endless_modes(rates) if endless else symbol_modes(rates), lin)
        elif name == "spectrum":
            found.modes[name] = spectrum_modes(rates, lin)
        elif lin.differentiable:
            found.modes[name] = frozen_modes(rates)
        else:
            raise NoModes(lin.reason)
    except NoModes as why:
        found.skipped[name] = str(why)


def _trusted(modes: Modes, lin: Linearisation) -> Modes:
    """The modes, called an estimate where the derivative does not stand up to a difference quotient."""
    if lin.differentiable:
        return modes
    return replace(modes, certificate="empirical", reason=f"{modes.reason}, by torch's derivative; but {lin.reason}")


def _range_is_cheap(found: Found, lin: Linearisation) -> bool:
    return "symbol" not in found.modes and "symbol" in found.skipped and lin.differentiable and lin.size <= RANGE_SIZE


def _take_range(found: Found, lin: Linearisation) -> None:
    if not lin.differentiable:
        found.skipped["range"] = lin.reason
        return
    measured = numerical_range(lin)
    found.range, found.abscissa = measured.corners, measured.abscissa_hi


def range_limit(scheme: Scheme, corners: Complex) -> float:
    """The step at which the numerical range, as far as it decays, lies in the stability region.

    Sufficient in the sense that powers of the step stay below ``1 + sqrt(2)`` (M. Crouzeix & C. Palencia, SIAM J.
    Matrix Anal. Appl. 38 (2017) 649); a part of the range in the right half plane is left out.
    """
    if len(scheme.parts) > 1 or scheme.family == "symplectic":
        return float("nan")
    values = _outline(corners)
    small = 1e-9 * np.abs(values).max(initial=0.0)
    values = np.where(np.abs(values.real) <= small, 1j * values.imag, values)
    values = values[(values.real <= 0) & (np.abs(values) > small)]
    return scheme.largest_step(values).dt if values.size else float("inf")


def _outline(corners: Complex) -> Complex:
    share: Floats = np.arange(EDGE) / EDGE
    following = np.roll(corners, -1)
    return (corners[:, None] + share * (following - corners)[:, None]).ravel()
