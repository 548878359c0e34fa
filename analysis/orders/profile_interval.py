"""A confidence interval of the order that pays for not knowing the law: averaged over the candidates, by profiles.

For one candidate with k parameters and n levels, ``R(p)`` is the least residual sum of squares of ln e at fixed p. The
signed root of the likelihood ratio (Bates and Watts 1988, section 6.1)::

    tau(p) = sign(p - p^) sqrt((R(p) - R(p^)) / s^2),     s^2 = R(p^)/(n - k)

is distributed like Student's t of n - k degrees of freedom, exactly for the pure law and nearly for the others; it is
not symmetric where the law bends. The choice among the candidates is uncertain too, and an interval of the chosen one
alone covers too rarely. So the ends solve, with Akaike weights w (Fletcher and Turek, J. Agric. Biol. Environ. Stat. 17
(2012) 38)::

    sum_i w_i T(tau_i(p_lo)) = alpha/2,     sum_i w_i T(tau_i(p_hi)) = 1 - alpha/2
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from .levenberg import least_squares
from .model_fit import RELATIVE_NOISE, ModelFit, inner_bounds
from .models import ErrorModel, Floats

NEGLIGIBLE = 1e-3
"""Akaike weight below which a candidate is left out."""

LIMITS = (-5.0, 40.0)
"""Orders beyond these are not looked for."""

ACCURACY = 1e-5
"""Of an end, relative to the bracket."""


def profile_interval(fits: Sequence[ModelFit], h: Floats, errors: Floats, confidence: float) -> tuple[float, float]:
    """Ends of the interval of p, averaged over the candidates; infinite where the levels do not bound it.

    Args:
        fits: the candidates, fitted to these levels.
        h, errors: the levels that entered the fits.
        confidence: such as 0.95.
    """
    from scipy.special import stdtr

    weighted = akaike_weights(fits)
    x, logs = h / h.max(), np.log(errors)

    def below(p: float) -> float:
        return sum(weight * float(stdtr(fit.degrees, _root(fit, p, x, logs))) for fit, weight in weighted)

    middle, reach = sum(weight * fit.order for fit, weight in weighted), _reach(weighted)
    tail = (1 - confidence) / 2
    lo = _solve(lambda p: below(p) - tail, middle, -reach)
    hi = _solve(lambda p: below(p) - (1 - tail), middle, reach)
    return lo, hi


def akaike_weights(fits: Sequence[ModelFit]) -> list[tuple[ModelFit, float]]:
    """``exp(-AICc/2)``, normalised; candidates of negligible weight are left out."""
    if len(fits) == 1:
        return [(fits[0], 1.0)]
    scores = np.array([fit.aicc for fit in fits])
    weights = np.exp(-(scores - scores.min()) / 2)
    weights /= weights.sum()
    kept = [(fit, float(weight)) for fit, weight in zip(fits, weights, strict=True) if weight > NEGLIGIBLE]
    total = sum(weight for _, weight in kept)
    return [(fit, weight / total) for fit, weight in kept]


def _reach(weighted: Sequence[tuple[ModelFit, float]]) -> float:
    """A first guess of the distance between the middle and an end."""
    orders = [fit.order for fit, _ in weighted]
    spread = max(orders) - min(orders)
    return spread + 3 * max(min(fit.standard_error, 1.0) for fit, _ in weighted) + 1e-12


def _solve(mismatch: Callable[[float], float], start: float, step: float) -> float:
    """The zero of an increasing function beyond `start` in the direction of `step`."""
    from scipy.optimize import brentq

    sign = math.copysign(1.0, step)
    near, far = start, start + step
    while sign * mismatch(near) > 0:  # averaged candidates may already lie beyond the end
        near -= step
        if not LIMITS[0] <= near <= LIMITS[1]:
            return -sign * math.inf
    while sign * mismatch(far) < 0:
        near, step = far, 2 * step
        far += step
        if not LIMITS[0] <= far <= LIMITS[1]:
            return sign * math.inf
    return float(brentq(mismatch, near, far, xtol=ACCURACY * abs(far - near)))


def _root(fit: ModelFit, p: float, x: Floats, logs: Floats) -> float:
    """tau(p)."""
    variance = max(fit.residual**2, RELATIVE_NOISE**2)
    gained = _squares(fit.model, p, fit, x, logs) - fit.degrees * fit.residual**2
    return math.copysign(math.sqrt(max(gained, 0.0) / variance), p - fit.order)


def _squares(model: ErrorModel, p: float, fit: ModelFit, x: Floats, logs: Floats) -> float:
    """R(p): least squares over a and ln(f/C), from the best fit; ln C is the mean residual."""
    theta, lower, upper = _start(model, fit, x, logs)
    if not theta.size:
        residual, _ = _centred(model, p, theta, x, logs)
        return float(residual @ residual)
    return least_squares(lambda theta: _centred(model, p, theta, x, logs), theta, lower, upper)[1]


def _start(model: ErrorModel, fit: ModelFit, x: Floats, logs: Floats) -> tuple[Floats, Floats, Floats]:
    """(a, ln(f/C)) of the best fit, as far as the model has them, and their bounds."""
    size = fit.coarsest
    values = []
    if model.next_order is not None:
        values.append(fit.next_coefficient * size**model.next_order)
    if model.has_floor:
        values.append(math.log(fit.floor) - math.log(fit.coefficient) - fit.order * math.log(size))
    lower, upper = inner_bounds(model, x)
    return np.clip(np.array(values), lower, upper), lower, upper


def _centred(model: ErrorModel, p: float, theta: Floats, x: Floats, logs: Floats) -> tuple[Floats, Floats]:
    """ln e - ln(e(x)/C) and the slopes of ln(e(x)/C), without their means: ln C takes those."""
    q = model.next_order or 0
    a = theta[0] if model.next_order is not None else 0.0
    floor = math.exp(theta[-1]) if model.has_floor else 0.0
    shape = x**p * (1 + a * x**q) + floor
    columns = []
    if model.next_order is not None:
        columns.append(x ** (p + q) / shape)
    if model.has_floor:
        columns.append(floor / shape)
    residual = logs - np.log(shape)
    slopes = np.stack(columns, axis=1) if columns else np.empty((len(x), 0))
    return residual - residual.mean(), slopes - slopes.mean(axis=0)
