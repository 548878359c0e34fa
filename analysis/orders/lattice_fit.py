"""Two orders from errors over a lattice of mesh sizes and time steps::

    e(h, dt) = |T + s S|,   T = C_t dt^p,   S = C_h h^q,   s = 1 or -1

fitted in the logarithm. Time and space errors of opposite sign (s = -1) cancel somewhere in the lattice, and a fit of
the sum would call that a wrong order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .model_fit import RELATIVE_NOISE
from .models import Floats

TRIAL_ORDERS = np.arange(0.5, 8.1, 0.5)
STARTS = 4


@dataclass(frozen=True)
class LatticeFit:
    """The fitted law, in the units of h and dt.

    Attributes:
        time_coefficient, time_order, space_coefficient, space_order: C_t, p, C_h, q.
        sign: s.
        time_error, space_error: standard errors of p and q, linearised.
        residual: relative misfit of one error.
        degrees: levels minus four.
        condition: of the scaled Jacobian; large where the lattice cannot tell the terms apart.
        time_share: T/(T + S) at every level, the shape of the lattice.
    """

    time_coefficient: float
    time_order: float
    space_coefficient: float
    space_order: float
    sign: int
    time_error: float
    space_error: float
    residual: float
    degrees: int
    condition: float
    time_share: Floats

    @property
    def time_lines(self) -> int:
        """Time steps at which the time error is the larger one, on the mesh where there are most."""
        return int((self.time_share > 0.5).sum(axis=1).max())

    @property
    def space_lines(self) -> int:
        """Mesh sizes at which the space error is the larger one, at the time step where there are most."""
        return int((self.time_share < 0.5).sum(axis=0).max())


def fit_lattice(h: Floats, dt: Floats, errors: Floats) -> LatticeFit:
    """Fit both signs and keep the better one.

    Args:
        h: (I,) mesh sizes.
        dt: (J,) time steps.
        errors: (I, J), positive; NaN where a run failed.
    """
    x, z = np.meshgrid(dt / dt.max(), h / h.max())  # both (I, J)
    known = np.isfinite(errors)
    x, z, values = x[known], z[known], errors[known]
    fits = [_fitted(x, z, values, sign) for sign in (1, -1)]
    (theta, squares), sign = min(zip(fits, (1, -1), strict=True), key=lambda fit: fit[0][1])
    degrees = len(values) - 4
    jacobian = _jacobian(theta, x, z, sign)
    scaled = jacobian / np.linalg.norm(jacobian, axis=0)
    variance = max(squares / degrees, RELATIVE_NOISE**2)
    covariance = np.diag(np.linalg.pinv(scaled.T @ scaled)) / np.sum(jacobian**2, axis=0)
    time = np.exp(theta[0]) * (dt / dt.max()) ** theta[1]
    space = np.exp(theta[2]) * (h / h.max()) ** theta[3]
    return LatticeFit(
        time_coefficient=math.exp(theta[0] - theta[1] * math.log(dt.max())),
        time_order=float(theta[1]),
        space_coefficient=math.exp(theta[2] - theta[3] * math.log(h.max())),
        space_order=float(theta[3]),
        sign=sign,
        time_error=math.sqrt(variance * covariance[1]),
        space_error=math.sqrt(variance * covariance[3]),
        residual=math.sqrt(squares / degrees),
        degrees=degrees,
        condition=float(np.linalg.cond(scaled)),
        time_share=time / (time + space[:, None]),
    )


def _fitted(x: Floats, z: Floats, values: Floats, sign: int) -> tuple[Floats, float]:
    from scipy.optimize import least_squares

    found = [
        least_squares(
            lambda theta: np.log(np.abs(_law(theta, x, z, sign)) + 1e-300) - np.log(values),
            start,
            jac=lambda theta: _jacobian(theta, x, z, sign),
            bounds=_bounds(values),
            x_scale="jac",
            xtol=1e-14,
            ftol=1e-14,
            gtol=1e-14,
        )
        for start in _starts(x, z, values, sign)
    ]
    best = min(found, key=lambda fit: float(fit.cost))
    return best.x, 2 * float(best.cost)


def _bounds(values: Floats) -> tuple[Floats, Floats]:
    """Orders that occur, and coefficients that are visible or at least representable."""
    low, high = math.log(values.min()) - 40, math.log(values.max()) + 10
    return np.array([low, -2.0, low, -2.0]), np.array([high, 20.0, high, 20.0])


def _law(theta: Floats, x: Floats, z: Floats, sign: int) -> Floats:
    return np.asarray(np.exp(theta[0]) * x ** theta[1] + sign * np.exp(theta[2]) * z ** theta[3])


def _jacobian(theta: Floats, x: Floats, z: Floats, sign: int) -> Floats:
    """d ln e / d (ln C_t, p, ln C_h, q)."""
    time, space = np.exp(theta[0]) * x ** theta[1], sign * np.exp(theta[2]) * z ** theta[3]
    total = time + space
    total = np.where(total == 0, 1e-300, total)
    a, b = time / total, space / total
    return np.stack([a, a * np.log(x), b, b * np.log(z)], axis=1)


def _starts(x: Floats, z: Floats, values: Floats, sign: int) -> list[Floats]:
    """For given p and q, ``e^2 = T^2 + 2 s T S + S^2`` is linear in its three coefficients, whatever the sign is."""
    trials = []
    floor = 1e-9 * values.max() ** 2
    for p in TRIAL_ORDERS:
        for q in TRIAL_ORDERS:
            columns = np.stack([x ** (2 * p), x**p * z**q, z ** (2 * q)], axis=1) / values[:, None] ** 2
            (time, _, space), *_ = np.linalg.lstsq(columns, np.ones_like(values), rcond=None)
            theta = np.array([math.log(max(time, floor)) / 2, p, math.log(max(space, floor)) / 2, q])
            misfit = np.log(np.abs(_law(theta, x, z, sign)) + 1e-300) - np.log(values)
            trials.append((float(misfit @ misfit), theta))
    trials.sort(key=lambda trial: trial[0])
    return [theta for _, theta in trials[:STARTS]]
