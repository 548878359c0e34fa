"""By what share a step changes the energy of a harmonic oscillator: |R(iy)|^2 - 1, y = omega dt, exactly."""

from __future__ import annotations

from fieldsolver.errors import OptionError
from fieldsolver.methods.polynomial import Polynomial

from .rational import RationalScheme
from .scheme import Scheme


def energy_growth(scheme: Scheme) -> tuple[Polynomial, Polynomial]:
    """Numerator and denominator of |R(iy)|^2 - 1, coefficients of 1, y, y^2, ...; the latter is 1 for explicit methods.

    Raises:
        OptionError: the scheme has no stability function P/Q.
    """
    if not isinstance(scheme, RationalScheme):
        raise OptionError(f"{scheme.name!r} has no stability function P/Q; energy_growth wants a Runge-Kutta method")
    return scheme.energy_growth
