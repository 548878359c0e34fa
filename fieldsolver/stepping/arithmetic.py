"""What the numbers of the loop are made of: one float per sample, on the host or on the device.

A time, a step size or an outcome of n samples is an array (n,). On the host it is a numpy array; a single sample is
controlled by Python floats, which cost a tenth. On a device it is a tensor, so that no step waits for the host. The
formulas are written once, over a namespace `xp` that is numpy, `scalar_ops` or `tensor_ops`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.methods.explicit_runge_kutta import SMALL

from . import scalar_ops, tensor_ops

Array = Any
"""(n,) numpy array, tensor, or (for one sample) a Python number."""
Arithmetic = Any
"""`numpy`, `scalar_ops` or `tensor_ops`."""


def arithmetic_on(device: torch.device) -> Arithmetic:
    """numpy where the states live on the host, tensors elsewhere."""
    return np if device.type == "cpu" else tensor_ops


def masked(mask: Array, where_true: Tensor, where_false: Tensor) -> Tensor:
    """Choose between states (n, *state) by booleans (n,), on the device."""
    return torch.where(spread(mask, where_true), where_true, where_false)


def spread(mask: Array, like: Tensor) -> Tensor:
    """Booleans (n,) on the device of a state (n, *state), shaped to choose from it."""
    flags = mask if isinstance(mask, Tensor) else torch.from_numpy(mask).to(like.device, non_blocking=True)
    flags = flags.view(-1, *[1] * (like.dim() - 1))
    slow = like.device.type == "cpu" and flags.shape[0] < like.numel() <= SMALL * flags.shape[0]
    return flags.expand(like.shape).contiguous() if slow else flags


def pick(values: Array, places: np.ndarray) -> Array:
    """Some of the samples; a number stands for all of them."""
    if isinstance(values, Tensor):
        return values.index_select(0, torch.from_numpy(places).to(values.device))
    return values[places] if isinstance(values, np.ndarray) else values


__all__ = ["Arithmetic", "Array", "arithmetic_on", "masked", "pick", "scalar_ops", "spread"]
