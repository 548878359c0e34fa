"""A lower bound of the Kreiss constant, and so of the transient growth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .linearisation import Linearisation
from .pseudospectrum import resolvent_of

HALF_PLANE = (1e-8, 10.0)
"""Distances from the imaginary axis that are searched first, relative to the size of the spectrum."""


@dataclass(frozen=True)
class Kreiss:
    """``sup Re(z) |(z - J)^-1|`` over the right half plane, from below.

    Attributes:
        value: the bound, at least 1; infinite where an eigenvalue lies in the right half plane.
        at: the point where it was found; infinite for 1, NaN for an infinite value.
        reason: one sentence.
    """

    value: float
    at: complex
    reason: str


def kreiss_lower(lin: Linearisation) -> Kreiss:
    """Search the right half plane for the largest ``Re(z) |(z - J)^-1|``.

    ``K <= max_t |e^(tJ)| <= e n K`` (Kreiss matrix theorem; Trefethen and Embree 2005, section 18): K is what is surely
    reached. A grid first, then Nelder-Mead from its three best points.
    """
    from scipy.optimize import minimize

    values, resolvent = resolvent_of(lin)
    size = max(float(np.abs(values).max()), np.finfo(np.float64).tiny)
    if values.real.max() > 1e-8 * size:
        return Kreiss(float("inf"), complex("nan"), f"an eigenvalue has the real part {values.real.max():.3g}")

    def quotient(point: np.ndarray) -> float:
        x = float(np.exp(point[0]))
        return x * resolvent(complex(x, float(point[1]) * size))

    heights = np.unique(np.concatenate([[0.0], np.linspace(0, np.abs(values.imag).max(), 9)])) / size
    logs = np.log(size * np.geomspace(*HALF_PLANE, 28))
    candidates = sorted(((quotient(np.array([a, b])), a, b) for a in logs for b in heights), reverse=True)
    best, at = 1.0, complex("inf")
    for start, a, b in candidates[:3]:
        found = minimize(lambda p: -quotient(p), [a, b], method="Nelder-Mead", options={"xatol": 1e-6, "maxiter": 200})
        value, place = max((-float(found.fun), tuple(found.x)), (float(start), (a, b)))
        if value > best * (1 + 1e-9):
            best, at = value, complex(np.exp(place[0]), place[1] * size)
    where = "far out, as for a normal matrix" if best == 1.0 else f"at z = {at:.4g}"
    return Kreiss(best, at, f"some perturbation grows at least {best:.4g} times; found {where}")
