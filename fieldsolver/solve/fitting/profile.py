"""Ends of profile likelihood intervals, all of them in lockstep.

The upper end for unknown i is the point with the largest ``x_i`` where the likelihood, maximised over all others, has
fallen by half the chi-squared quantile. It solves P equations at once: the gradient with respect to the others is
zero, and the value is the target. Newton's method on them needs no inner optimisation.

Source: Venzon, Moolgavkar, *A method for computing profile-likelihood-based confidence intervals*, Applied Statistics
37 (1988) 87-94, sections 2 and 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .newton import Expand

VALUE_TOLERANCE = 1e-4
"""Of the negative log likelihood; moves an end by less than 1e-4 standard errors."""
MAX_ITERATIONS = 40
LONGEST_STEP = 1.0  # standard errors of the Laplace approximation


@dataclass
class _Ends:
    """K ends; arrays (K, ...)."""

    x: np.ndarray
    unknown: np.ndarray
    side: np.ndarray
    done: np.ndarray


def profile_intervals(
    expand: Expand, best: np.ndarray, value: float, hessian: np.ndarray, unknowns: Sequence[int], depth: float,
    report: Callable[[float], None],
) -> np.ndarray:  # fmt: skip
    """Both ends in the optimiser's coordinates, (len(unknowns), 2); NaN for an end that was not found.

    Args:
        expand: as in `minimise`.
        best: (P,), the minimum.
        value: the negative log posterior there.
        hessian: (P, P) there, positive definite.
        unknowns: positions of those wanted.
        depth: rise of the negative log posterior at the ends, half the chi-squared quantile.
        report: called with the done fraction.
    """
    covariance = np.linalg.inv(hessian)
    index = np.repeat(np.asarray(unknowns, dtype=int), 2)
    side = np.tile([-1.0, 1.0], len(unknowns))
    directions = covariance[index] / np.sqrt(covariance[index, index])[:, None]
    ends = _Ends(
        best + (side * np.sqrt(2 * depth))[:, None] * directions, index, side, np.zeros(index.size, dtype=bool)
    )
    previous = np.repeat(best[None], index.size, axis=0)
    for iteration in range(MAX_ITERATIONS):
        active = np.flatnonzero(~ends.done)
        if active.size == 0:
            break
        at = expand(ends.x[active], active)
        for row, k in enumerate(active):
            if not np.isfinite(at.value[row]):  # the solve failed out there
                ends.x[k] = 0.5 * (ends.x[k] + previous[k])
                continue
            previous[k] = ends.x[k]
            step, ends.done[k] = _step(
                at.value[row] - value - depth, at.gradient[row], at.hessian[row], index[k], side[k]
            )
            if not ends.done[k]:
                length = np.sqrt(step @ hessian @ step)
                ends.x[k] += step * min(1.0, LONGEST_STEP / max(length, 1e-300))
        report((iteration + 1) / MAX_ITERATIONS)
    found = ends.done & ((ends.x[np.arange(index.size), index] - best[index]) * side > 0)
    return np.where(found, ends.x[np.arange(index.size), index], np.nan).reshape(-1, 2)


def _step(excess: float, gradient: np.ndarray, hessian: np.ndarray, i: int, side: float) -> tuple[np.ndarray, bool]:
    """Newton step for ``gradient_others = 0`` and ``excess = 0``, and whether the present point is good enough."""
    others = np.delete(np.arange(gradient.size), i)
    block, coupling = hessian[np.ix_(others, others)], hessian[others, i]
    eigenvalues, vectors = np.linalg.eigh(block)
    eigenvalues = np.maximum(np.abs(eigenvalues), 1e-10 * np.abs(eigenvalues).max(initial=1e-300))
    inverse = (vectors / eigenvalues) @ vectors.T
    back, slide = -inverse @ gradient[others], -inverse @ coupling
    off_ridge = 0.5 * gradient[others] @ inverse @ gradient[others]
    done = abs(excess) < VALUE_TOLERANCE and off_ridge < VALUE_TOLERANCE
    # Along the ridge, with d the move of unknown i: curvature/2 d^2 + slope d + (excess - off_ridge) = 0.
    curvature = hessian[i, i] + coupling @ slide
    slope = gradient[i] + coupling @ back
    move = _root(0.5 * curvature, slope, excess - off_ridge, side)
    step = np.zeros_like(gradient)
    step[i], step[others] = move, back + slide * move
    return step, done


def _root(a: float, b: float, c: float, side: float) -> float:
    """The root of ``a d^2 + b d + c`` on the rising branch of that side; the nearest approach if there is none."""
    discriminant = b * b - 4 * a * c
    if a <= 0:  # the profile bends down here: follow its slope
        return -c / b if b * side > 0 else side
    if discriminant < 0:  # wholly above the target: go towards the minimum along the ridge
        return -b / (2 * a)
    return (-b + side * np.sqrt(discriminant)) / (2 * a)
