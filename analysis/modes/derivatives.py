"""Values and derivatives of the elementary functions at given numbers, and the places where they have none."""

from __future__ import annotations

import torch
from torch import Tensor

from fieldsolver.equations.lowering.torch_functions import TORCH_FUNCTIONS

STEPS = frozenset({"heaviside", "sign"})
"""Constant wherever they are differentiable."""
KINKED = STEPS | {"relu", "abs"}
"""No derivative at zero."""


def value_of(name: str, *arguments: Tensor) -> Tensor:
    """The value of an elementary function."""
    return TORCH_FUNCTIONS[name](*arguments)


def slope_of(name: str, argument: Tensor) -> Tensor:
    """``f'(z)`` of a function of one argument, elementwise; holomorphic in a complex one."""
    if name in STEPS:
        return torch.zeros_like(argument)
    return torch.func.jvp(TORCH_FUNCTIONS[name], (argument,), (torch.ones_like(argument),))[1]


def is_at_kink(name: str, argument: Tensor) -> bool:
    """Whether the function has no derivative at any of the arguments."""
    return name in KINKED and bool((argument == 0).any())
