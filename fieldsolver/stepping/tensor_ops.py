"""NumPy's elementwise functions for torch tensors: step-size control is written once, for host and device.

Control arithmetic takes a namespace `xp`: NumPy itself for arrays on the host, this module for tensors. Each function
has the name and the meaning of NumPy's, with tensors or numbers as arguments; at least one of them is a tensor.
Nothing here reads a value back from the device.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

Operand = Tensor | float
_DTYPES: dict[type | None, torch.dtype] = {bool: torch.bool, int: torch.int64}


def where(condition: Tensor, x: Operand, y: Operand) -> Tensor:
    """x where the condition holds, else y; two numbers make float64, as in NumPy."""
    if not isinstance(x, Tensor) and not isinstance(y, Tensor):
        x = torch.full((), x, dtype=torch.float64, device=condition.device)
    elif isinstance(x, Tensor):
        x = _widened(x, y)
    if isinstance(y, Tensor):
        y = _widened(y, x)
    return torch.where(condition, x, y)


def maximum(x: Operand, y: Operand) -> Tensor:
    """The larger one; NaN if either is NaN."""
    if isinstance(x, Tensor) and isinstance(y, Tensor):
        return torch.maximum(x, y)
    tensor, number = _tensor_first(x, y)
    return torch.clamp(tensor, min=number)


def minimum(x: Operand, y: Operand) -> Tensor:
    """The smaller one; NaN if either is NaN."""
    if isinstance(x, Tensor) and isinstance(y, Tensor):
        return torch.minimum(x, y)
    tensor, number = _tensor_first(x, y)
    return torch.clamp(tensor, max=number)


def fmax(x: Operand, y: Operand) -> Tensor:
    """The larger one; a NaN gives way to the other one."""
    if isinstance(x, Tensor) and isinstance(y, Tensor):
        return torch.fmax(x, y)
    tensor, number = _tensor_first(x, y)
    return torch.where(tensor >= number, tensor, number) if number == number else tensor


def fmin(x: Operand, y: Operand) -> Tensor:
    """The smaller one; a NaN gives way to the other one."""
    if isinstance(x, Tensor) and isinstance(y, Tensor):
        return torch.fmin(x, y)
    tensor, number = _tensor_first(x, y)
    return torch.where(tensor <= number, tensor, number) if number == number else tensor


def abs(x: Tensor) -> Tensor:
    """Absolute value."""
    return torch.abs(x)


def arctan(x: Tensor) -> Tensor:
    """Inverse tangent."""
    return torch.arctan(x)


def isfinite(x: Tensor) -> Tensor:
    """Neither NaN nor infinite."""
    return torch.isfinite(x)


def zeros_like(x: Tensor, dtype: type | None = None) -> Tensor:
    """Zeros of the same shape and device, and of the same dtype unless `bool` or `int` is asked for."""
    return torch.zeros_like(x, dtype=_DTYPES.get(dtype))


def full_like(x: Tensor, value: float, dtype: type | None = None) -> Tensor:
    """One number in the same shape and device, and of the same dtype unless `bool` or `int` is asked for."""
    return torch.full_like(x, value, dtype=_DTYPES.get(dtype))


def spacing(x: Tensor) -> Tensor:
    """Distance to the next number away from zero, with the sign of x; NaN for infinities."""
    outwards = torch.copysign(torch.full_like(x, math.inf), x)
    return torch.nextafter(x, outwards) - x


def _tensor_first(x: Operand, y: Operand) -> tuple[Tensor, float]:
    """The tensor and the number of a mixed pair."""
    if isinstance(y, Tensor):
        x, y = y, x
    if not isinstance(x, Tensor) or isinstance(y, Tensor):
        raise TypeError(f"got {type(x).__name__} and {type(y).__name__}, expected a tensor and a number")
    return _widened(x, y), y


def _widened(tensor: Tensor, other: Operand) -> Tensor:
    """Integers that meet a float become float64, as in NumPy; torch would make them float32."""
    if isinstance(other, float) and not tensor.is_floating_point():
        return tensor.to(torch.float64)
    return tensor
