"""The factor of the next step size: elementwise arithmetic on numbers, NumPy arrays or tensors.

Every call on a small array costs half a microsecond, so terms with exponent 0 are left out, and nothing is computed
twice. Rows that rest or were rejected may hold anything: what comes out of them is a number or NaN, never a warning.
"""

from __future__ import annotations

from ..arithmetic import Arithmetic, Array
from .controller import SMALLEST_ERROR, Controller
from .history import History

SMALLEST_SIZE = 2.2250738585072014e-308
"""The smallest normal number; the size of a resting sample is 0 and must not divide."""


def factor_after_acceptance(
    controller: Controller, error: Array, size: Array, history: History, k: Array, xp: Arithmetic
) -> Array:
    """Factor of the step size after an accepted step, within [min_factor, max_factor]; NaN gives min_factor.

    Args:
        controller: the exponents.
        error: (n,) scaled errors, at most 1.
        size: (n,) sizes |dt| of the steps; only controllers with ratio exponents read it.
        history: of the steps before this one.
        k: one more than the order of the error estimate, a number or (n,).
        xp: NumPy, `scalar_ops` or `tensor_ops`.
    """
    e = xp.maximum(error, SMALLEST_ERROR)
    factor = _filter(controller, e, size, history, k, xp)
    if controller.cautious:
        factor = xp.fmin(factor, _memoryless(controller, e, k))
    elif controller.starts_unknown:
        factor = xp.where(factor == factor, factor, _memoryless(controller, e, k))  # NaN: a memory is missing
    if controller.limiter == "arctan":
        factor = 1.0 + controller.kappa * xp.arctan((factor - 1.0) / controller.kappa)
    if controller.dead_band is not None:
        low, high = controller.dead_band
        factor = xp.where((factor >= low) & (factor <= high), 1.0, factor)
    return xp.fmin(xp.fmax(factor, controller.min_factor), history.highest_factor)


def factor_after_rejection(controller: Controller, error: Array, k: Array, xp: Arithmetic) -> Array:
    """Factor of the step size after a rejected step: no memory, below 1; NaN and infinity give min_factor.

    Args:
        controller: the exponents.
        error: (n,) scaled errors, above 1 or NaN.
        k: one more than the order of the error estimate, a number or (n,).
        xp: NumPy, `scalar_ops` or `tensor_ops`.
    """
    return xp.fmax(_memoryless(controller, xp.maximum(error, 1.0), k), controller.min_factor)


def _filter(
    controller: Controller, e: Array, size: Array, history: History, k: Array, xp: Arithmetic
) -> Array:  # fmt: skip
    """safety e_n^(-beta_1) e_(n-1)^(-beta_2) ... ; NaN where a memory is missing."""
    first, second, third = controller.error_exponents
    alpha_2, alpha_3 = controller.ratio_exponents
    factor = controller.safety * e ** -(first / k)
    if second:
        factor = factor * history.previous_error ** -(second / k)
    if third:
        factor = factor * history.earlier_error ** -(third / k)
    if alpha_2:
        factor = factor * (xp.maximum(size, SMALLEST_SIZE) / history.previous_size) ** -alpha_2
    if alpha_3:
        factor = factor * (history.previous_size / history.earlier_size) ** -alpha_3
    return factor


def _memoryless(controller: Controller, e: Array, k: Array) -> Array:
    return controller.memoryless_safety * e ** -(controller.memoryless_exponent / k)
