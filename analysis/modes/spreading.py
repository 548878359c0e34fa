"""How fast a small disturbance spreads into an unstable uniform state.

Seen from a frame that moves with v, a wave of the complex wave number ``z = k + i q`` grows at ``Re(sigma) - q v``:
moving the contour of the Fourier integral up to the height q bounds the speed of every compact disturbance by
``v(q) = max_k Re sigma(k + i q)/q``. The maximum is convex in q (Hadamard), so v(q) has one minimum; where
that is a smooth saddle,

    sigma'(z) + i v = 0,    Re(sigma + i z v) = 0,

the contour of steepest descent passes over it, and v is the linear spreading speed (W. van Saarloos, Physics Reports
386, 29 (2003), equations 11 and 12). A saddle that misses the bound is not believed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .coupling import blocks, restricted
from .growth import branch_jet, growth_rates
from .numbers import Complex, Floats
from .sampling import scales
from .symbol import Ray

ITERATIONS = 60
HEIGHTS, WAVES, ROUNDS, ZOOM = 81, 240, 7, 17
REACH = 8.0
"""Samples of k end here, in units of the height and of the largest scale; ``-z^8`` decays beyond 5 heights."""
ATTAINED = 1e-6
"""Share by which a saddle may miss the bound."""
STARTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Spreading:
    """The edge of the fastest front.

    Attributes:
        speed: the linear spreading speed v of the fastest block; NaN where no saddle attains its bound.
        k: the complex wave number there: its imaginary part is the decay ahead of the front.
        growth: sigma(k), complex.
        residual: of the two equations.
        bound: no compact disturbance is faster.
    """

    speed: float
    k: complex
    growth: complex
    residual: float
    bound: float

    @property
    def is_attained(self) -> bool:
        """Whether the saddle is as fast as anything can be."""
        return bool(abs(self.speed - self.bound) <= ATTAINED * _size(self.bound, self.k, self.growth))


def spreading(ray: Ray, fallback: float) -> Spreading:
    """The speed of the fastest front over all branches, and the bound for all disturbances.

    Args:
        ray: the symbol along the direction of the front; some wave grows, the shortest do not.
        fallback: a wave number, where the symbol shows no scale.
    """
    alone = [_of_block(part, fallback) for part in _parts(ray, one_way=True)]
    whole = [_lowest(part, fallback)[1] for part in _parts(ray, one_way=False)]
    if any(np.isnan(one.speed) for one in alone):
        missing = max((one for one in alone if np.isnan(one.speed)), key=lambda one: one.bound)
        if not any(one.speed > missing.bound for one in alone):
            return Spreading(missing.speed, missing.k, missing.growth, missing.residual, max(whole))
    best = max((one for one in alone if not np.isnan(one.speed)), key=lambda one: one.speed)
    return Spreading(best.speed, best.k, best.growth, best.residual, max(whole))


def _parts(ray: Ray, *, one_way: bool) -> list[Ray]:
    """The blocks in which some real wave grows."""
    rays = [restricted(ray.symbol, block).along(ray.direction) for block in blocks(ray.symbol, one_way=one_way)]
    return [part for part in rays if _grows(part, ray)]


def _grows(part: Ray, whole: Ray) -> bool:
    top = REACH * max(scales(whole), default=1.0)
    return bool(growth_rates(part, _symmetric(top))[:, 0].real.max() > 0)


def _of_block(ray: Ray, fallback: float) -> Spreading:
    if not ray.powers().keys() - {0.0} and not ray.kernels:  # nothing carries it anywhere
        return Spreading(0.0, complex(np.nan, np.nan), complex(np.nan, np.nan), 0.0, 0.0)
    height, bound, wave = _lowest(ray, fallback)
    found = [_saddle(ray, complex(k, height)) for k in (wave, *(s * x * height for x in STARTS for s in (1, -1)))]
    saddles = [Spreading(v, z, growth, residual, bound) for z, v, growth, residual in filter(None, found)]
    reaching = [one for one in saddles if one.is_attained]
    nothing = Spreading(np.nan, complex(np.nan, np.nan), complex(np.nan, np.nan), np.nan, bound)
    return min(reaching, key=lambda one: one.residual, default=nothing)


def _lowest(ray: Ray, fallback: float) -> tuple[float, float, float]:
    """Height q of the lowest bound, the bound v(q), and the k of its maximum."""
    from scipy.optimize import minimize_scalar

    known = scales(ray) or [fallback]
    heights = np.geomspace(1e-4 * min(known), 1e4 * max(known), HEIGHTS)
    values = [_bound(ray, q, max(known))[0] for q in heights]
    i = int(np.argmin(values))
    low, high = np.log(heights[max(i - 1, 0)]), np.log(heights[min(i + 1, len(heights) - 1)])
    found = minimize_scalar(
        lambda x: _bound(ray, float(np.exp(x)), max(known))[0],
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-10},
    )
    q = float(np.exp(found.x))
    return q, *_bound(ray, q, max(known))


def _bound(ray: Ray, q: float, scale: float) -> tuple[float, float]:
    """``max_k Re sigma(k + i q)/q`` and the k, from samples that are made denser around the largest."""
    k = _symmetric(REACH * (q + scale))
    if ray.kernels:  # the transform of a sampled kernel is periodic
        nyquist = min(np.pi / max(kernel.grid.spacing) for kernel in ray.kernels)
        k = np.union1d(k[np.abs(k) <= nyquist], np.linspace(-nyquist, nyquist, 2 * WAVES))
    for _ in range(ROUNDS):
        rates = _heights(ray, k + 1j * q)
        best = int(np.argmax(rates))
        top, wave = float(rates[best]), float(k[best])
        k = np.linspace(k[max(best - 1, 0)], k[min(best + 1, len(k) - 1)], ZOOM)
    return top / q, wave


def _heights(ray: Ray, z: Complex) -> Floats:
    """Largest real part of the growth rates; a wave that no number can hold decides nothing."""
    with np.errstate(over="ignore", invalid="ignore"):
        matrices = ray.matrices(z)[0]
    finite = np.isfinite(matrices).all((-2, -1))
    rates = np.full(len(z), np.inf)
    rates[finite] = np.linalg.eigvals(matrices[finite]).real.max(-1)
    return rates


def _symmetric(top: float) -> Floats:
    """Wave numbers of both signs, evenly and geometrically towards 0."""
    half = np.union1d(np.linspace(0.0, top, WAVES), np.geomspace(1e-5 * top, top, WAVES))
    return np.union1d(half, -half)


def _saddle(ray: Ray, z: complex) -> tuple[complex, float, complex, float] | None:
    """Newton's method for z and v together: z, v, sigma and the residual, or None."""
    sigma, slope, curvature = branch_jet(ray, z)
    v = sigma.real / z.imag
    for _ in range(ITERATIONS):
        first, second = slope + 1j * v, (sigma + 1j * z * v).real
        matrix = np.array(
            [
                [curvature.real, -curvature.imag, 0.0],
                [curvature.imag, curvature.real, 1.0],
                [first.real, -first.imag, -z.imag],
            ]
        )
        if not np.isfinite(matrix).all() or np.linalg.matrix_rank(matrix) < 3:
            return None
        step = np.linalg.solve(matrix, -np.array([first.real, first.imag, second]))
        z, v = z + complex(step[0], step[1]), v + float(step[2])
        if not z.imag > 0:
            return None
        sigma, slope, curvature = branch_jet(ray, z, near=sigma)
        if np.abs(step).max() <= 4e-16 * (abs(z) + abs(v)):
            break
    return z, v, sigma, max(abs(slope + 1j * v), abs((sigma + 1j * z * v).real))


def _size(bound: float, z: complex, growth: complex) -> float:
    """Of the parts of a speed: an advection may cancel all of it."""
    return abs(bound) + (abs(growth) / z.imag if np.isfinite(z) else 0.0)
