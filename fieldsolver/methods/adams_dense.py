"""Dense output of Adams steps: the integral of the polynomial that the step itself integrated."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .adams_coefficients import AdamsTables, AdamsWeights, combine
from .protocol import Step, per_sample


def integral_inside(
    tables: AdamsTables, step: Step, theta: Tensor, tau: Tensor, order: Tensor, with_end: Tensor | None,
    derivatives: Sequence[Tensor],
) -> Tensor:  # fmt: skip
    """y + h int_0^theta P, with P through k past derivatives and, where `with_end`, the one at the end of the step.

    Args:
        tables: for J past derivatives.
        step: the step.
        theta: (n,) float64, position within it.
        tau: (n, J) float64, its times.
        order: (n,) int64, k.
        with_end: (n,) bool; None stands for true.
        derivatives: J + 1 tensors (n, *state), the one at the end first, then backward from the start of the step.
    """
    weights = AdamsWeights(tables, tau, theta)
    end, past = weights.implicit(order)
    if with_end is not None:
        change_of_end, change = weights.correction(order)
        end = torch.where(with_end, end, end - change_of_end)
        past = torch.where(with_end.unsqueeze(1), past, past - change)
    (slope,) = combine(torch.cat([end.unsqueeze(1), past], dim=1).unsqueeze(1), derivatives)
    return torch.addcmul(step.y, per_sample(step.dt, slope), slope)
