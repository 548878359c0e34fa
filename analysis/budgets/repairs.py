"""What would mend a drift of the energy, from cheap to dear, with what each remedy does and whether it is here.

References:
    D. I. Ketcheson, SIAM J. Numer. Anal. 57 (2019) 2850: relaxation Runge-Kutta.
    E. Hairer, C. Lubich and G. Wanner, *Geometric Numerical Integration* (2006), sections IV.2, IV.4, I.1.4, VI.4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fieldsolver.methods import METHODS, Method

from .growth import Growth, excess
from .steps import Work

MARGIN = 0.5
"""Steps are recommended for a drift of half the tolerance."""

SMALLEST_RATIO = 1e-3
"""No step is recommended that is smaller than this share of the present one."""


@dataclass(frozen=True)
class Repair:
    """A remedy.

    Attributes:
        name: in a few words.
        text: what to do and what to expect.
        cost: evaluations per unit of time, relative to the present run; NaN when it depends on the problem.
        expected: relative drift over the same span; NaN when it cannot be told.
        available: this package has it.
    """

    name: str
    text: str
    cost: float
    expected: float
    available: bool


def repairs_of_equation(changes: float, term: str, rtol: float) -> list[Repair]:
    """The remedy for an energy that the discretised equation itself changes by `changes`, most of it through `term`."""
    if not changes > rtol:
        return []
    text = (
        f"the discretised equation changes this energy by {changes:.2g}, most through {term!r}, and no time step mends "
        "that: take a density that its operators conserve (-u*laplacian(u)/2 in place of gradient_squared(u)/2), a "
        "skew-symmetric form of transport, scheme=fs.FiniteDifference(closure='summation_by_parts') between walls, or "
        "a finer grid"
    )
    return [Repair("conservative form", text, math.nan, math.nan, available=True)]


def repairs_of_steps(
    work: Work, drift: float, rtol: float, growth: Growth | None, *, second_order: bool
) -> list[Repair]:
    """Remedies for a drift that the steps made, cheapest first.

    Args:
        work: the steps.
        drift: largest relative change of the energy that they made.
        rtol: the change that would be tolerated.
        growth: of the modes, for linear equations with equal steps.
        second_order: whether the equation is of second order in time, or a velocity and a force.
    """
    if work.method not in METHODS or not (math.isfinite(drift) and drift > rtol):
        return []
    method = METHODS[work.method]
    found = [*_corrections(method), *_structured(method, second_order)]
    if math.isfinite(work.dt):
        found.append(_smaller_step(method, work, drift, rtol, growth))
        found += _better_method(method, work, rtol, growth)
    else:
        found.append(_smaller_tolerance(method, drift, rtol))
    return sorted(found, key=lambda repair: (math.isnan(repair.cost), repair.cost))


def _corrections(method: Method) -> list[Repair]:
    relaxed = Repair(
        "relaxation",
        f"scale every step of {method.name} so that the energy is exact (relaxation Runge-Kutta): to round-off for "
        "quadratic and convex energies, at one scalar equation per step",
        1.0 + 1.0 / method.stages,
        0.0,
        "relaxation" in METHODS,
    )
    projected = Repair(
        "projection",
        "project onto the surface of constant energy after every step: exact for this energy, but the steps are no "
        "longer those of a conservative system, so that other invariants may drift",
        1.0 + 2.0 / method.stages,
        0.0,
        "projection" in METHODS,
    )
    return [relaxed, projected]


def _structured(method: Method, second_order: bool) -> list[Repair]:
    gauss = Repair(
        "implicit midpoint or Gauss",
        "a Gauss method conserves quadratic energies to the accuracy of its stage equations and lets others only "
        "oscillate; every step solves a nonlinear system, whose cost depends on the problem",
        math.nan,
        0.0,
        "implicit_midpoint" in METHODS or "gauss4" in METHODS,
    )
    verlet = Repair(
        "Stoermer-Verlet",
        "positions and velocities in turn, one evaluation per step: the energy oscillates by (w dt)^2/4 or so of its "
        "size and does not drift, as long as forces do not depend on velocities",
        1.0 / method.stages,
        math.nan,
        "verlet" in METHODS,
    )
    return [gauss, verlet] if second_order else [gauss]


def _smaller_step(method: Method, work: Work, drift: float, rtol: float, growth: Growth | None) -> Repair:
    ratio, basis = _ratio(method.name, work, drift, rtol, growth)
    if not ratio > SMALLEST_RATIO:
        return Repair("smaller dt", f"no sensible dt of {method.name} brings the drift to {rtol:.2g}", math.inf,
                      drift, available=True)  # fmt: skip
    dt, expected = ratio * abs(work.dt), MARGIN * rtol
    text = f"dt = {dt:.3g} instead of {abs(work.dt):.3g}: {basis} then predicts a drift of {expected:.2g}"
    return Repair("smaller dt", text, 1 / ratio, expected, available=True)


def _ratio(name: str, work: Work, drift: float, rtol: float, growth: Growth | None) -> tuple[float, str]:
    """By how much dt must shrink, and what says so."""
    order = METHODS[name].order
    if growth is None:
        return (MARGIN * rtol / drift) ** (1 / order), f"the order {order} of the method"
    return _linear_ratio(name, work, rtol, growth), "the stability function of the method at the modes present"


def _linear_ratio(name: str, work: Work, rtol: float, growth: Growth) -> float:
    """Largest ``dt'/dt`` for which no mode gains or loses more than the tolerance in the same time; 0 if none."""
    from ..schemes import get_scheme

    scheme, z, steps = get_scheme(name), growth.rates * work.dt, float(np.nanmax(work.steps))
    ratio = 8.0
    while ratio > SMALLEST_RATIO:
        per_step = np.abs(excess(scheme.factor(ratio * z), ratio * z)).max()
        if per_step * steps / ratio <= MARGIN * rtol:
            return ratio
        ratio *= 2 ** (-1 / 8)
    return 0.0


def _better_method(method: Method, work: Work, rtol: float, growth: Growth | None) -> list[Repair]:
    """The cheapest method of this package for the modes present, or any one of higher order."""
    if growth is None:
        return [_higher_order(method)]
    best: tuple[float, str, float] | None = None
    for name, other in METHODS.items():
        if name == method.name or not other.fixed_steps or not hasattr(other, "tableau"):
            continue
        ratio = _linear_ratio(name, work, rtol, growth)
        cost = _evaluations(other) / _evaluations(method) / ratio if ratio else math.inf
        if math.isfinite(cost) and (best is None or cost < best[0]):
            best = (cost, name, ratio)
    if best is None:
        return [_higher_order(method)]
    cost, name, ratio = best
    text = (
        f"method={name!r} with dt = {ratio * abs(work.dt):.3g}: of this package's methods the cheapest whose stability "
        f"function keeps the drift of the modes present below {MARGIN * rtol:.2g}"
    )
    return [Repair("another method", text, cost, MARGIN * rtol, available=True)]


def _higher_order(method: Method) -> Repair:
    higher = "tsit5" if method.order < 5 else "dop853" if method.order < 8 else "vern9"
    text = f"method={higher!r} with rtol= and atol= in place of dt: its drift falls with a higher power of the step"
    return Repair("higher order", text, math.nan, math.nan, available=True)


def _smaller_tolerance(method: Method, drift: float, rtol: float) -> Repair:
    factor = MARGIN * rtol / drift
    cost = factor ** (-1 / (method.order + 1))
    text = f"multiply rtol and atol by {factor:.1g}: errors of adaptive steps fall about as their tolerances do"
    return Repair("smaller tolerance", text, cost, MARGIN * rtol, available=True)


def _evaluations(method: Method) -> int:
    return method.stages - int(method.fsal)
