"""Steps that are stable, from the spectrum of the declared equation."""

from __future__ import annotations

import math

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.knowledge import linear_part
from fieldsolver.errors import OptionError
from fieldsolver.methods import get_method
from fieldsolver.solve.stability_limit import step_limit

MARGIN = 0.9
"""Part of the limit that is used."""


def largest_step(equation: FieldEquation, method: str) -> float:
    """The largest stable step of a method for the linear terms; infinite where every step is stable.

    For explicit Euler and ``D*laplacian(phi) - k*phi`` in d dimensions with spacing h it is ``2/(4 d D/h^2 + k)``.
    """
    return step_limit(get_method(method), linear_part(equation)).dt


def steps_within(equation: FieldEquation, method: str, duration: float) -> int:
    """As many steps as stability asks for, with some margin.

    Raises:
        OptionError: no step is stable.
    """
    limit = largest_step(equation, method)
    if not limit > 0:
        raise OptionError(f"no step of {method!r} is stable for this equation; take another method, or give steps=")
    return max(1, math.ceil(duration / (MARGIN * limit)))


def descending_step(dt: float, curvature: float) -> float:
    """The step of explicit Euler that a linearly stabilised splitting of size `dt` amounts to; it descends for any dt.

    Of a gradient flow ``phi' = -grad E`` whose Hessian is at most L = `curvature`, the splitting treats (S/2)|phi|^2
    implicitly and the rest explicitly, ``(1/dt + S)(phi_new - phi) = -grad E(phi)``. That is an Euler step of
    ``dt/(1 + dt S)``, and with S = L/2 the energy never increases, because the step stays below 2/L.

    Source: J. Shen and X. Yang, Discrete Contin. Dyn. Syst. 28 (2010) 1669, section 3 (the stabilised scheme).
    """
    if not (dt > 0 and curvature >= 0):
        raise OptionError(f"a step is positive and a curvature not negative, got {dt!r} and {curvature!r}")
    return dt / (1 + 0.5 * dt * curvature)
