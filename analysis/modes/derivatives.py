"""Values and derivatives of the elementary functions at given numbers, and the places where they have none."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fieldsolver.equations.lowering.torch_functions import TORCH_FUNCTIONS

STEPS = frozenset({"heaviside", "sign"})
"""Constant wherever they are differentiable."""
KINKED = STEPS | {"relu", "abs"}
"""No derivative at zero."""

APART = 1e-4
"""Distance, relative to the input, over which slopes of a module are compared."""
JUMP, TINY = 1e-5, 1e-10
"""Changes of a slope that are round-off: as a share of the slope, and absolutely."""


def value_of(name: str, *arguments: Tensor) -> Tensor:
    """The value of an elementary function."""
    return TORCH_FUNCTIONS[name](*arguments)


def slope_of(name: str, argument: Tensor) -> Tensor:
    """``f'(z)`` of a function of one argument, elementwise; holomorphic in a complex one."""
    if name in STEPS:
        return torch.zeros_like(argument)
    return torch.func.jvp(TORCH_FUNCTIONS[name], (argument,), (torch.ones_like(argument),))[1]


def is_kinked(module: Callable[[Tensor], Tensor], inputs: Tensor) -> bool:
    """Whether the slopes of a pointwise module jump at any of the inputs ``(S, n)``.

    Slopes on both sides along every axis and the diagonal: where a module is smooth their difference shrinks with the
    distance, at a kink it stays.
    """
    slopes = torch.func.vmap(torch.func.jacrev(module))
    at = slopes(inputs)
    if not bool(torch.isfinite(at).all()):
        return True
    n = inputs.shape[1]
    directions = torch.cat([torch.eye(n), torch.ones(1, n) / n**0.5]).to(inputs.dtype)
    for direction in directions:
        jumps = [_jump(slopes, inputs, APART * share * direction) for share in (1.0, 1 / 16)]
        if jumps[1] > max(0.5 * jumps[0], JUMP * float(at.abs().max()), TINY):
            return True
    return False


def _jump(slopes: Callable[[Tensor], Tensor], inputs: Tensor, step: Tensor) -> float:
    step = step * (1 + inputs.abs())
    return float((slopes(inputs + step) - slopes(inputs - step)).abs().max())


def is_at_kink(name: str, argument: Tensor) -> bool:
    """Whether the function has no derivative at any of the arguments."""
    return name in KINKED and bool((argument == 0).any())
