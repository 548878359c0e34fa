"""How far two tensors are apart, and how far round-off may take them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from fieldsolver.errors import OptionError

THRESHOLDS = {torch.float32: 1e-5, torch.complex64: 1e-5, torch.float64: 1e-10, torch.complex128: 1e-10}
"""Largest change, relative to the scale of the output, that counts as round-off."""

FLOOR = 0.01
"""Gradients below this share of the largest one are compared relative to that share: theirs may be pure round-off."""


def threshold_for(output: Tensor, threshold: float | None) -> float:
    """What was asked for, or the number of the output's dtype.

    Raises:
        OptionError: not positive, or a dtype without a number.
    """
    if threshold is not None:
        if not (math.isfinite(threshold) and threshold > 0):
            raise OptionError(f"threshold is a positive number, got {threshold!r}")
        return threshold
    if output.dtype not in THRESHOLDS:
        raise OptionError(f"there is no usual threshold for outputs of {output.dtype}; pass threshold=")
    return THRESHOLDS[output.dtype]


def largest(tensor: Tensor) -> float:
    """Largest absolute value, NaN if there is one; 0 of nothing."""
    return float(tensor.detach().abs().max()) if tensor.numel() else 0.0


def relative(difference: float, scale: float) -> float:
    """difference/scale, with 0/0 = 0."""
    if scale == 0 and difference == 0:
        return 0.0
    return difference / scale if scale != 0 else math.inf


def change(now: Tensor, before: Tensor) -> float:
    """Largest difference relative to the largest value before."""
    return relative(largest(now - before), largest(before))


def change_per_sample(now: Tensor, before: Tensor) -> float:
    """The largest `change` of a sample: a large neighbour does not hide a small one."""
    return worst([change(a, b) for a, b in zip(now, before, strict=True)])


def norm_change(now: Tensor, before: Tensor) -> float:
    """|now - before| / |before| in the Euclidean norm."""
    return relative(float((now - before).detach().norm()), float(before.detach().norm()))


def gradient_change(now: Sequence[Tensor], before: Sequence[Tensor]) -> float:
    """The largest `change` of a tensor of gradients, none taken as smaller than `FLOOR` of the largest one."""
    whole = worst([largest(g) for g in before])
    return worst([relative(largest(a - b), max(largest(b), FLOOR * whole)) for a, b in zip(now, before, strict=True)])


def worst(values: Sequence[float]) -> float:
    """The largest; NaN if one is NaN, which `max` may pass over; 0 of none."""
    if any(math.isnan(value) for value in values):
        return math.nan
    return max(values, default=0.0)
