"""The order of the next step of a variable-order Adams method, sample by sample, without a look at the host.

LE_j = h (g_j - g_(j-1)) Phi_j(n+1) estimates the local error that order j would have made. The order k is

* lowered by one if max(|LE_(k-1)|, |LE_(k-2)|) <= |LE_k| (k > 2) or |LE_1| <= |LE_2| / 2 (k = 2),
* else, at the start, raised with every step until it is lowered or a step is shorter than the one before,
* else lowered if |LE_(k-1)| <= min(|LE_k|, |LE_(k+1)|), raised if |LE_(k+1)| < |LE_k| (|LE_2| < |LE_1| / 2 for k = 1)
  and the last k + 1 steps were of order k.

A rejected step leaves no trace in the memory, so it does not lower the order: a shorter step extrapolates less far,
which is accepted at any order, and the order falls with the steps after it.

Source: Shampine, Gordon, *Computer Solution of Ordinary Differential Equations* (1975), chapter 7, as in their code
STEP; Hairer, Norsett, Wanner, *Solving Ordinary Differential Equations I* (1993), section III.7.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .protocol import per_sample


def next_order(book: Tensor, shorter: Tensor, errors: Tensor, highest: int) -> Tensor:
    """Choose from the norms of LE_(k-2), ..., LE_(k+1).

    Args:
        book: (n, 4) int64: past steps that were known when the step began, k, whether the sample is still starting
            (0 or not), how many steps of order k came before this one.
        shorter: (n,) bool, whether this step was shorter than the one before.
        errors: (n, 4), the norms; those of orders that do not exist are ignored.
        highest: the largest order.

    Returns:
        The book (n, 4) after the step.
    """
    known, order, starting, age = book.unbind(1)
    second, below, here, above = errors.unbind(1)
    fall = ((order > 2) & (torch.maximum(second, below) <= here)) | ((order == 2) & (below <= 0.5 * here))
    climb = (starting != 0) & ~shorter & ~fall & (order < highest)
    known_above = (order < highest) & (known >= order)
    later = ~climb & ~fall & known_above
    fall = fall | (later & (order > 1) & (below <= torch.minimum(here, above)))
    rise = climb | (later & ~fall & (age >= order) & (above < torch.where(order == 1, 0.5 * here, here)))
    change = rise.to(order.dtype) - fall.to(order.dtype)
    age = torch.where(change == 0, age + 1, 0)
    return torch.stack([(known + 1).clamp(max=highest - 1), order + change, climb.to(order.dtype), age], dim=1)


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
