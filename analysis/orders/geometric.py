"""Laws of a spectral error in the number N of points or modes, and their fit in the logarithm.

::

    algebraic     ln e = ln C - p ln N              what a limited smoothness of the solution leaves
    geometric     ln e = ln C - a N                 analytic in a strip: e ~ exp(-a N)
    exponential   ln e = ln C - a N^beta            beta > 1: entire functions; beta < 1: smooth, not analytic

(Boyd 2001, Chebyshev and Fourier Spectral Methods, section 2.4: algebraic, geometric, sub- and supergeometric.) All are
linear once beta is held, and beta itself is found by search.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .model_fit import RELATIVE_NOISE
from .models import Floats

BETAS = (0.15, 3.0)
"""Exponents that are looked for; smaller ones cannot be told from a power of N."""


@dataclass(frozen=True)
class SpectralFit:
    """One fitted law.

    Attributes:
        name: ``"algebraic"``, ``"geometric"`` or ``"exponential"``.
        intercept: ln C.
        rate: p or a.
        beta: exponent of N; 1 for the geometric law, NaN for the algebraic one.
        rate_lo, rate_hi: confidence interval of `rate`, at the fitted beta.
        beta_lo, beta_hi: by profile likelihood; equal to beta where it is held.
        aicc: corrected criterion of Akaike; smaller is better.
    """

    name: str
    intercept: float
    rate: float
    beta: float
    rate_lo: float
    rate_hi: float
    beta_lo: float
    beta_hi: float
    aicc: float


def spectral_fits(sizes: Floats, errors: Floats, confidence: float) -> list[SpectralFit]:
    """The laws that the number of levels allows, best first; the exponential one needs five levels."""
    logs = np.log(errors)
    fits = [
        _linear("algebraic", np.log(sizes), logs, math.nan, confidence),
        _linear("geometric", sizes, logs, 1.0, confidence),
    ]
    if len(sizes) >= 5:
        fits.append(_exponential(sizes, logs, confidence))
    return sorted(fits, key=lambda fit: (round(fit.aicc, 9), fit.name == "exponential"))


def _linear(name: str, x: Floats, logs: Floats, beta: float, confidence: float) -> SpectralFit:
    """ln e = ln C - rate x; the interval is Student's t."""
    from scipy.special import stdtrit

    slope, intercept, squares, spread = _line(x, logs)
    n = len(x)
    error = math.sqrt(max(squares / (n - 2), RELATIVE_NOISE**2) / spread)
    half = float(stdtrit(n - 2, 0.5 + confidence / 2)) * error
    return SpectralFit(
        name, intercept, -slope, beta, -slope - half, -slope + half, beta, beta, _aicc(squares, n, parameters=2)
    )


def _exponential(sizes: Floats, logs: Floats, confidence: float) -> SpectralFit:
    from scipy.optimize import minimize_scalar
    from scipy.special import stdtrit

    def squares_at(beta: float) -> float:
        return _line(sizes**beta, logs)[2]

    grid = np.linspace(*BETAS, 58)
    start = float(grid[np.argmin([squares_at(float(beta)) for beta in grid])])
    around = (max(BETAS[0], start - 0.05), min(BETAS[1], start + 0.05))
    beta = float(minimize_scalar(squares_at, bounds=around, method="bounded", options={"xatol": 1e-12}).x)
    slope, intercept, squares, spread = _line(sizes**beta, logs)
    n = len(sizes)
    variance = max(squares / (n - 3), RELATIVE_NOISE**2)
    quantile = float(stdtrit(n - 3, 0.5 + confidence / 2))
    half = quantile * math.sqrt(variance / spread)
    lo, hi = (_profile_end(lambda b: squares_at(b) - squares - quantile**2 * variance, beta, limit) for limit in BETAS)
    return SpectralFit(
        "exponential", intercept, -slope, beta, -slope - half, -slope + half, lo, hi, _aicc(squares, n, parameters=3)
    )


def _profile_end(excess: Callable[[float], float], beta: float, limit: float) -> float:
    """Where the residual has grown by the allowed amount; the limit of the search if it never does."""
    from scipy.optimize import brentq

    return float(brentq(excess, beta, limit)) if excess(limit) > 0 else limit


def _line(x: Floats, logs: Floats) -> tuple[float, float, float, float]:
    """Slope, intercept, residual sum of squares, and the spread of x about its mean."""
    centred = x - x.mean()
    spread = float(centred @ centred)
    slope = float(centred @ logs) / spread
    intercept = float(logs.mean() - slope * x.mean())
    rest = logs - intercept - slope * x
    return slope, intercept, float(rest @ rest), spread


def _aicc(squares: float, n: int, parameters: int) -> float:
    k = parameters
    penalty = 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else math.inf
    return n * math.log(max(squares / n, RELATIVE_NOISE**2)) + 2 * k + penalty
