"""Newton's method in a trust region, for many starting points in lockstep.

Every iteration asks for value, gradient and Hessian at one trial point per run, all in one batched solve. The
subproblem is solved exactly, by the eigenvalues of the small Hessian (Conn, Gould, Toint, *Trust-Region Methods*, SIAM
2000, section 7.3): ``(H + mu I) p = -g`` with the smallest ``mu >= 0`` that makes the matrix positive definite and
``|p| <= radius``. A trial whose solve failed has an infinite value and shrinks the radius.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .objective import Expansion

Expand = Callable[[np.ndarray, np.ndarray], Expansion]

FIRST_RADIUS, LARGEST_RADIUS, SMALLEST_RADIUS = 0.5, 4.0, 1e-10
STOP = 1e-11
"""Newton decrement at which a run stops: the minimum is nearer than 5e-6 standard errors."""
CONVERGED = 1e-6
"""Newton decrement up to which a run counts as converged: 1.4e-3 standard errors."""
FLAT = 1e-7
"""Eigenvalues of the Hessian, scaled to a unit diagonal, below this are not distinguished from zero."""
SMALLEST_CURVATURE = 1e-4
"""An unknown with less curvature has a standard error above 100 units (of its logarithm, say): not determined."""
NOISE = 1e-7
"""Relative change of the value that may come from another choice of steps."""


@dataclass
class Runs:
    """S runs; arrays (S, ...).

    Attributes:
        x: (S, P), the best points.
        value, gradient, hessian: the expansion there.
        decrement: (S,), half of ``g^T H^-1 g``: what one more Newton step would gain.
        iterations: (S,).
    """

    x: np.ndarray
    value: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray
    decrement: np.ndarray
    iterations: np.ndarray

    @property
    def converged(self) -> np.ndarray:
        """(S,) bool."""
        return np.isfinite(self.value) & (self.decrement <= CONVERGED)


def minimise(
    expand: Expand, x: np.ndarray, max_iterations: int, report: Callable[[float], None], scales: Sequence[int] = ()
) -> Runs:
    """Minimise from every row of `x` (S, P).

    Args:
        expand: called as ``expand(points (n, P), runs (n,))``.
        x: starting points.
        max_iterations: per run.
        report: called with the done fraction.
        scales: positions of the noise scales. Their mixed derivatives with the others are a multiple of the gradient,
            so they vanish at the minimum, and the steps leave them out (as Fisher scoring does). On the way there they
            would turn the model indefinite and the steps into a zigzag, the more so the less noise there is.
    """
    is_scale = np.isin(np.arange(x.shape[1]), np.asarray(scales, dtype=int))
    coupled = is_scale[:, None] == is_scale
    everyone = np.arange(len(x))
    first = expand(x, everyone)
    runs = Runs(
        x.copy(), first.value.copy(), first.gradient.copy(), first.hessian.copy(),
        newton_decrement(first.gradient, first.hessian), np.zeros(len(x), dtype=int),
    )  # fmt: skip
    radius = np.full(len(x), FIRST_RADIUS)
    for iteration in range(max_iterations):
        active = everyone[np.isfinite(runs.value) & (runs.decrement > STOP) & (radius > SMALLEST_RADIUS)]
        if active.size == 0:
            break
        _iterate(expand, runs, radius, active, coupled)
        report((iteration + 1) / max_iterations)
    return runs


def _iterate(expand: Expand, runs: Runs, radius: np.ndarray, active: np.ndarray, coupled: np.ndarray) -> None:
    step, predicted = trust_step(runs.gradient[active], runs.hessian[active] * coupled, radius[active])
    trial = expand(runs.x[active] + step, active)
    gain = runs.value[active] - trial.value
    decrement = newton_decrement(trial.gradient, trial.hessian)
    quality = gain / np.maximum(predicted, np.finfo(float).tiny)
    # Near the minimum the gain drowns in the noise of the step control; there the gradient decides.
    near = (np.abs(gain) <= NOISE * (1 + np.abs(runs.value[active]))) & (decrement < runs.decrement[active])
    accepted = np.isfinite(trial.value) & ((quality > 1e-3) | near)
    length = np.linalg.norm(step, axis=1)
    poor, good = (quality < 0.25) & ~(near & accepted), (quality > 0.75) & (length > 0.9 * radius[active])
    wider = np.minimum(2 * radius[active], LARGEST_RADIUS)
    radius[active] = np.select([poor, good], [0.25 * length, wider], radius[active])
    kept = active[accepted]
    runs.x[kept] += step[accepted]
    runs.value[kept], runs.gradient[kept] = trial.value[accepted], trial.gradient[accepted]
    runs.hessian[kept], runs.decrement[kept] = trial.hessian[accepted], decrement[accepted]
    runs.iterations[active] += 1


def trust_step(gradient: np.ndarray, hessian: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Steps (n, P) that minimise the quadratic models inside the radii (n,), and the gain they predict (n,)."""
    eigenvalues, vectors = np.linalg.eigh(hessian)
    slope = np.einsum("npi,np->ni", vectors, gradient)
    # Not relative to the largest: a noise scale far below the others' errors would then crawl.
    low = np.maximum(0.0, 0.01 * SMALLEST_CURVATURE - eigenvalues[:, 0])
    high = low + np.linalg.norm(slope, axis=1) / radius

    def length(shift: np.ndarray) -> np.ndarray:
        return np.linalg.norm(slope / (eigenvalues + shift[:, None]), axis=1)

    inside = length(low) <= radius
    for _ in range(60):
        middle = 0.5 * (low + high)
        short = length(middle) <= radius
        low, high = np.where(short | inside, low, middle), np.where(short & ~inside, middle, high)
    shift = np.where(inside, low, high)
    local = -slope / (eigenvalues + shift[:, None])
    gain = -(slope * local).sum(axis=1) - 0.5 * (eigenvalues * local**2).sum(axis=1)
    return np.einsum("npi,ni->np", vectors, local), gain


def newton_decrement(gradient: np.ndarray, hessian: np.ndarray) -> np.ndarray:
    """Half of ``g^T H^-1 g`` (n,), flat directions counted with the smallest curvature that is told from zero.

    Infinite where the Hessian has a negative eigenvalue.
    """
    size = unit_size(hessian)
    eigenvalues, vectors = np.linalg.eigh(hessian / (size[:, :, None] * size[:, None, :]))
    slope = np.einsum("npi,np->ni", vectors, gradient / size)
    decrement = 0.5 * (slope**2 / np.maximum(eigenvalues, FLAT)).sum(axis=1)
    return np.where((eigenvalues < -FLAT).any(axis=1), np.inf, decrement)


def unit_size(hessian: np.ndarray) -> np.ndarray:
    """Units (..., P) in which the Hessian (..., P, P) has a unit diagonal: standard errors with the others fixed.

    Without them a well-known unknown (curvature 1e12) would make a normal one (curvature 10) look flat. An unknown
    without curvature gets a unit in which it stays below `FLAT`.
    """
    diagonal = np.abs(np.diagonal(hessian, axis1=-2, axis2=-1))
    return np.sqrt(np.where(diagonal > SMALLEST_CURVATURE, diagonal, SMALLEST_CURVATURE / (0.1 * FLAT)))
