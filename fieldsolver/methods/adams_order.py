"""The order of the next step of a variable-order Adams method, sample by sample, without a look at the host.

LE_j = h (g_j - g_(j-1)) Phi_j(n+1) estimates the local error that order j would have made. The order k is

* lowered by one if max(|LE_(k-1)|, |LE_(k-2)|) <= |LE_k| (k > 2) or |LE_1| <= |LE_2| / 2 (k = 2),
* else, at the start, raised with every step until it is lowered or a step is shorter than the one before,
* else lowered if |LE_(k-1)| <= min(|LE_k|, |LE_(k+1)|), raised if |LE_(k+1)| < |LE_k| (|LE_2| < |LE_1| / 2 for k = 1)
  and the last k + 1 steps were of order k,
* but not raised before k steps have followed each other none of which is longer than 1.5 times the one before.

A rejected step leaves no trace in the memory, so it does not lower the order, and a solution that is not smooth is seen
in the step itself: `unsmooth`.

Source: Shampine, Gordon, *Computer Solution of Ordinary Differential Equations* (1975), chapter 7, as in their code
STEP; Hairer, Norsett, Wanner, *Solving Ordinary Differential Equations I* (1993), section III.7.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .protocol import per_sample

SAME = 1.0 - 1e-9
"""A step below this multiple of the one before is shorter than it."""
SHORTENED = 0.3
"""A step below this multiple of the mean of those before it was rejected, or lands on a time."""
FLAT = 0.8
"""Norms of Phi_k and Phi_(k-2) with a ratio above this do not decrease."""
LARGEST_GROWTH = 1.5
"""Of the steps that the differences of a higher order span: times that crowd would make them round-off."""


def next_order(book: Tensor, growth: Tensor, errors: Tensor, highest: int) -> Tensor:
    """Choose from the norms of LE_(k-2), ..., LE_(k+1).

    Args:
        book: (n, 5) int64: past steps that were known when the step began, k, whether the sample is still starting
            (0 or not), how many steps of order k came before this one, how many steps before it followed each other
            without a large growth.
        growth: (n,) float64, this step as a multiple of the one before.
        errors: (n, 4), the norms; those of orders that do not exist are ignored.
        highest: the largest order.

    Returns:
        The book (n, 5) after the step.
    """
    known, order, starting, age, regular = book.unbind(1)
    second, below, here, above = errors.unbind(1)
    regular = torch.where(growth <= LARGEST_GROWTH, regular + 1, 1)
    fall = ((order > 2) & (torch.maximum(second, below) <= here)) | ((order == 2) & (below <= 0.5 * here))
    climb = (starting != 0) & (order < highest) & (growth >= SAME) & fall.logical_not()
    # From here on LE_(k+1) counts, where the history is long enough to know it.
    settled = (order < highest) & (known >= order) & climb.logical_not() & fall.logical_not()
    fall = fall | (settled & (order > 1) & (below <= torch.minimum(here, above)))
    better = above < torch.where(order == 1, 0.5 * here, here)
    rise = (climb | (settled & fall.logical_not() & (age >= order) & better)) & (regular >= order)
    change = rise.to(order.dtype) - fall.to(order.dtype)
    age = torch.where(change == 0, age + 1, 0)
    known = (known + 1).clamp(max=highest - 1)
    return torch.stack([known, order + change, climb.to(order.dtype), age, regular], dim=1)


def unsmooth(order: Tensor, tau: Tensor, steps: Tensor, norms: Tensor) -> Tensor:
    """By what to multiply the error estimate: 1, or more where f seems to jump within the step, (n,) float64.

    Beyond a jump D of f all differences Phi_j are D, while |g_k - g_(k-1)| is small for a high order and tiny for a
    step that is shorter than those before: LE_k would miss most of the error, about h D / 2. So differences that do
    not decrease with their order, in a step that has been shortened, count with the weight 1/2 of order 1.

    Args:
        order: (n,) int64, k.
        tau: (n, J) float64, the past times, tau_l = (x_(n+1) - x_(n+1-l)) / h.
        steps: (n, 4) float64, g_j - g_(j-1) for j = k - 2, ..., k + 1.
        norms: (n, 4), of LE_j / h.
    """
    steps = steps.abs()
    flat = norms.select(1, 2) * steps.select(1, 0) >= FLAT * norms.select(1, 0) * steps.select(1, 2)
    span = tau.gather(1, (order - 1).unsqueeze(1)).squeeze(1) - 1.0  # of the k - 1 steps before, in units of this one
    suspect = (order > 2) & (SHORTENED * span > order - 1) & flat
    return torch.where(suspect, (0.5 / steps.select(1, 2)).clamp(min=1.0), 1.0)


def compared_orders(order: Tensor, highest: int) -> Tensor:
    """k - 2, ..., k + 1 for k = `order` (n,), within 1 and the highest one: (n, 4)."""
    return (order.unsqueeze(1) + torch.arange(-2, 2, device=order.device)).clamp(1, highest)


def error_norms(dt: Tensor, y: Tensor, y_new: Tensor, derivative: Tensor, errors: Sequence[Tensor]) -> Tensor:
    """RMS norms of the errors, relative to the size and the change of each entry: (n, R), constants of a gradient.

    The orders are compared with each other only, so neither tolerances nor the step size matter.

    Args:
        dt: (n,) float64.
        y: (n, *state), at the start of the step.
        y_new: (n, *state), at its end.
        derivative: (n, *state), at its start.
        errors: R tensors (n, *state).
    """
    change = derivative.detach().abs()
    scale = torch.maximum(y.detach().abs(), y_new.detach().abs()) + change * per_sample(dt.abs(), change)
    scale = scale.clamp(min=torch.finfo(scale.dtype).tiny)
    ratio = torch.stack([error.detach() for error in errors], dim=1).abs() / scale.unsqueeze(1)
    return torch.linalg.vector_norm(ratio.view(*ratio.shape[:2], -1), dim=2)
