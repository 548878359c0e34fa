"""Fits a candidate law to errors, in the logarithm: errors that span ten decades weigh equally.

With n levels, k parameters and the residual sum of squares R of ln e, the candidates are compared by (Burnham and
Anderson 2002, section 2.4)::

    AICc = n ln(R/n) + 2k + 2k(k + 1)/(n - k - 1)

where k counts C, p, a and f. The variance is common to all candidates and is not counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .levenberg import least_squares
from .models import ErrorModel, Floats, law, log_jacobian

RELATIVE_NOISE = 1e-9
"""No error is trusted to more digits: candidates that agree to this are equally good, and the simplest wins."""

TRIAL_ORDERS = np.arange(0.25, 12.1, 0.25)
STARTS = 3

LEAST_CORRECTION = -0.99
"""Smallest a h^q at the coarsest level: errors stay positive."""

VISIBLE = 3.0
"""Largest a h^q at the finest level; beyond, the leading term is not seen and noise would pose as a low order."""


@dataclass(frozen=True)
class ModelFit:
    """A fitted candidate, in the units of h.

    Attributes:
        model: which candidate.
        coefficient, order, next_coefficient, floor: C, p, a and f; a and f are 0 when the candidate lacks them.
        standard_error: of p, linearised at the best fit.
        residual: root of R/(n - k), relative misfit of one error.
        degrees: n - k.
        aicc: infinite where it does not exist.
        coarsest: the largest h of the fit.
    """

    model: ErrorModel
    coefficient: float
    order: float
    next_coefficient: float
    floor: float
    standard_error: float
    residual: float
    degrees: int
    aicc: float
    coarsest: float

    def __call__(self, h: Floats) -> Floats:
        """e(h)."""
        correction = self.next_coefficient * h ** (self.model.next_order or 0)
        return np.asarray(self.coefficient * h**self.order * (1 + correction) + self.floor)


def fit_model(model: ErrorModel, h: Floats, errors: Floats) -> ModelFit:
    """Fit one candidate to positive errors, by least squares in the logarithm from several starts."""
    x = h / h.max()  # a is then the correction at the coarsest level, and stays of moderate size
    lower, upper = _bounds(model, x, errors)
    logs = np.log(errors)

    def residual(theta: Floats) -> tuple[Floats, Floats]:
        return logs - np.log(law(model, theta, x)), log_jacobian(model, theta, x)

    fits = [
        least_squares(residual, np.clip(start, lower + 1e-9, upper - 1e-9), lower, upper)
        for start in _starts(model, x, errors, lower, upper)
    ]
    theta, squares = min(fits, key=lambda fit: fit[1])
    return _finished(model, theta, log_jacobian(model, theta, x), squares, h)


def _bounds(model: ErrorModel, x: Floats, errors: Floats) -> tuple[Floats, Floats]:
    """1 + a x^q > 0 on all levels; the leading term is visible on the finest; the floor is below the smallest error."""
    lower, upper = [-np.inf, -5.0], [np.inf, 40.0]
    if model.next_order is not None:
        lower.append(LEAST_CORRECTION)
        upper.append(VISIBLE / x.min() ** model.next_order)
    if model.has_floor:
        lower.append(math.log(errors.min()) - 30)
        upper.append(math.log(errors.min()) + 1e-3)
    return np.array(lower), np.array(upper)


def inner_bounds(model: ErrorModel, x: Floats) -> tuple[Floats, Floats]:
    """The bounds of a and ln(f/C), as far as the model has them, when p is held."""
    lower: list[float] = []
    upper: list[float] = []
    if model.next_order is not None:
        lower.append(LEAST_CORRECTION)
        upper.append(VISIBLE / x.min() ** model.next_order)
    if model.has_floor:
        lower.append(-300.0)
        upper.append(0.0)
    return np.array(lower), np.array(upper)


def _starts(model: ErrorModel, x: Floats, errors: Floats, lower: Floats, upper: Floats) -> list[Floats]:
    """For a given p the law is linear in C, C a and f: solve that for many p and keep the best."""
    if model.parameters == 2:
        slope, intercept = np.polyfit(np.log(x), np.log(errors), 1)
        return [np.array([intercept, slope])]
    trials = []
    for p in TRIAL_ORDERS:
        columns = [x**p]
        if model.next_order is not None:
            columns.append(x ** (p + model.next_order))
        if model.has_floor:
            columns.append(np.ones_like(x))
        matrix = np.stack(columns, axis=1) / errors[:, None]
        solution, *_ = np.linalg.lstsq(matrix, np.ones_like(x), rcond=None)
        theta = np.clip(_as_parameters(model, float(p), solution.astype(np.float64), errors), lower, upper)
        trials.append((float(np.sum((np.log(law(model, theta, x)) - np.log(errors)) ** 2)), theta))
    trials.sort(key=lambda trial: trial[0])
    return [theta for _, theta in trials[:STARTS]]


def _as_parameters(model: ErrorModel, p: float, solution: Floats, errors: Floats) -> Floats:
    coefficient = max(float(solution[0]), 1e-12 * errors.max())
    theta = [math.log(coefficient), p]
    if model.next_order is not None:
        theta.append(float(solution[1]) / coefficient)
    if model.has_floor:
        theta.append(math.log(min(max(float(solution[-1]), 1e-6 * errors.min()), errors.min())))
    return np.array(theta)


def _finished(model: ErrorModel, theta: Floats, jacobian: Floats, squares: float, h: Floats) -> ModelFit:
    n, k = len(h), model.parameters
    variance = max(squares / (n - k), RELATIVE_NOISE**2)
    scaled = jacobian / np.linalg.norm(jacobian, axis=0)  # columns of equal length, for a well-conditioned inverse
    covariance = np.linalg.pinv(scaled.T @ scaled)[1, 1] / np.sum(jacobian[:, 1] ** 2)
    penalty = 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else math.inf
    coarsest, p, q = h.max(), theta[1], model.next_order
    return ModelFit(
        model=model,
        coefficient=float(np.exp(theta[0] - p * np.log(coarsest))),
        order=float(p),
        next_coefficient=float(theta[2] / coarsest**q) if q is not None else 0.0,
        floor=float(np.exp(theta[-1])) if model.has_floor else 0.0,
        standard_error=math.sqrt(variance * covariance),
        residual=math.sqrt(squares / (n - k)),
        degrees=n - k,
        aicc=n * math.log(max(squares / n, RELATIVE_NOISE**2)) + 2 * k + penalty,
        coarsest=float(coarsest),
    )
