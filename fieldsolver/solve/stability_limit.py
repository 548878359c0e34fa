"""The largest stable fixed step of a method for the linear part of a declared equation."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.knowledge import Bound, LinearPart, linear_part
from fieldsolver.errors import FieldSolverWarning, OptionError, StabilityError
from fieldsolver.methods import METHODS, Method, ReversibleMethod

from .stability_region import StabilityRegion, exit_table, stability_region

CHECKS = ("refuse", "warn", "off")
CANDIDATES = 64
_SLACK = 1 + 1e-9


@dataclass(frozen=True)
class StepLimit:
    """Largest stable step.

    Attributes:
        method: name of the method.
        dt: the limit; infinite if every step is stable, 0 if none is.
        exact: the eigenvalues are known exactly, so the limit is sharp for the linear part.
    """

    method: str
    dt: float
    exact: bool


def step_limit(method: Method, linear: LinearPart) -> StepLimit:
    """Limit for the decaying and neutral modes of `linear`; growing modes grow whatever the step."""
    region = stability_region(method)
    if region is None:
        raise OptionError(f"no stability region is known for method {method.name!r}")
    if linear.eigenvalues is not None:
        dt = _limit_from_eigenvalues(region, linear.eigenvalues)
        return StepLimit(method.name, dt, linear.bound.kind == "exact")
    return StepLimit(method.name, _limit_from_box(region, linear.bound), exact=False)


def check_fixed_step(equation: FieldEquation, method: Method, dt: float, check: str, t: float = 0.0) -> None:
    """Refuse or warn about a fixed step beyond the limit at time `t`, where the run starts.

    Raises:
        OptionError: `check` is not one of `CHECKS`.
        StabilityError: the step is beyond a sharp limit and `check` is ``"refuse"``.
    """
    if check not in CHECKS:
        raise OptionError(f"check is one of {CHECKS}, got {check!r}")
    if check == "off" or stability_region(method) is None:
        return
    linear = linear_part(equation, t)
    limit = step_limit(method, linear)
    if dt <= limit.dt * _SLACK:
        return
    if limit.dt == 0 and not limit.exact:
        warnings.warn(
            f"no step of {method.name} is known to be stable for this equation, because its spectrum is only bounded "
            f"({linear.bound.reason}); compare with a smaller step, or leave dt out for adaptive steps",
            FieldSolverWarning,
            stacklevel=3,
        )
        return
    message = (
        f"dt={dt:g} is beyond the stability limit dt={limit.dt:.6g} of {method.name} for the linear part of this "
        f"equation; {_advice(linear, method, dt)}, or leave dt out for adaptive steps"
    )
    if limit.exact and check == "refuse":
        raise StabilityError(message + " (check='off' runs it all the same)", limit.dt)
    kind = "" if limit.exact else " (the limit is an upper bound on the spectrum, so the step may still be stable)"
    warnings.warn(message + kind, FieldSolverWarning, stacklevel=3)


def warn_of_backward_diffusion(equation: FieldEquation, duration: float) -> None:
    """Backwards in time what decays grows, the finest modes first; beyond a factor 1e8 nothing of the data is left."""
    growth = -linear_part(equation).bound.lowest * duration
    if growth > math.log(1e8):
        warnings.warn(
            f"backwards in time the fastest mode of this equation grows by exp({growth:.3g}), so round-off will fill "
            "the answer; shorten t_span, or solve forwards from a state that you guess",
            FieldSolverWarning,
            stacklevel=3,
        )


def all_limits(linear: LinearPart) -> list[StepLimit]:
    """The limits of every method with a stability region."""
    return [step_limit(method, linear) for method in METHODS.values() if stability_region(method) is not None]


def _advice(linear: LinearPart, method: Method, dt: float) -> str:
    """The cheapest method that is stable at `dt`, else the one that goes furthest per evaluation at its limit.

    Reversible methods are for those who know why they want one: a little friction more, and they are stable no longer.
    """
    limits = [limit for limit in all_limits(linear) if not isinstance(METHODS[limit.method], ReversibleMethod)]
    able = [METHODS[limit.method] for limit in limits if limit.dt >= dt]
    if not able:
        best = max(limits, key=lambda limit: limit.dt / evaluations_per_step(METHODS[limit.method]))
        other = "" if best.method == method.name else f" with method={best.method!r}"
        return f"no method here is stable at this step: take dt <= {best.dt:.4g}{other}, the most time per evaluation"
    cheapest = min(able, key=evaluations_per_step)
    return f"take a step below the limit, or method={cheapest.name!r}, which is stable at this one"


def evaluations_per_step(method: Method) -> int:
    """Evaluations of the right-hand side per step, the reused last stage of FSAL methods counted once."""
    return method.stages - int(method.fsal)


def _limit_from_box(region: StabilityRegion, bound: Bound) -> float:
    """Spectrum somewhere in a box: its left corners and the end of its imaginary side must be stable."""
    corners = np.array([bound.lowest, bound.lowest + 1j * bound.imaginary, 1j * bound.imaginary])
    return _limit_from_eigenvalues(region, corners)


def _limit_from_eigenvalues(region: StabilityRegion, eigenvalues: np.ndarray) -> float:
    values = eigenvalues[(eigenvalues.real <= 1e-12 * np.abs(eigenvalues).max(initial=1.0))]
    values = values[np.abs(values) > 0]
    if values.size == 0:
        return math.inf
    scale = np.abs(values).max()
    real = values[np.abs(values.imag) <= 1e-12 * scale]
    imaginary = values[np.abs(values.real) <= 1e-12 * scale]
    limits = [math.inf]
    if real.size and np.abs(real.real).max() > 1e-12 * scale:
        limits.append(region.real_interval / float(np.abs(real.real).max()))
    if imaginary.size and np.abs(imaginary.imag).max() > 1e-12 * scale:
        limits.append(region.imaginary_interval / float(np.abs(imaginary.imag).max()))
    oblique = values[(np.abs(values.imag) > 1e-12 * scale) & (np.abs(values.real) > 1e-12 * scale)]
    if oblique.size:
        limits.append(_oblique_limit(region, oblique))
    return min(limits)


def _oblique_limit(region: StabilityRegion, values: np.ndarray) -> float:
    """Smallest exit of ``dt * eigenvalue`` from the region over eigenvalues off both axes.

    A table of exits over the angle to the imaginary axis ranks all eigenvalues; the limit comes from the exact exits of
    those that rank first.
    """
    angles = np.arctan2(np.abs(values.real), np.abs(values.imag))  # its coefficients are real: one quadrant is enough
    estimate = np.interp(np.log(angles), *exit_table(region)) - np.log(np.abs(values))
    first = np.argsort(estimate)[:CANDIDATES]
    return float((region.exit_radii(angles[first]) / np.abs(values[first])).min())
