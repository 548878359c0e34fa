"""The state in which a layer starts where the caller gives none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError


def initial_state(
    equation: FieldEquation, given: Mapping[str, Any] | float | None, *, learned: bool
) -> Tensor | nn.Parameter | None:
    """``(C, *grid)`` in double precision, or None.

    Args:
        equation: knows the fields.
        given: fields by name, one number for all of them, or None.
        learned: make it a parameter.

    Raises:
        OptionError: learned without a start, or not one state.
        StateError: fields that do not fit.
    """
    if given is None:
        if learned:
            raise OptionError("learn_initial needs a value to start from; pass initial=0.0, or fields by name")
        return None
    if isinstance(given, (int, float)):
        given = dict.fromkeys(equation.fields, float(given))
    if not isinstance(given, Mapping):
        raise OptionError(f"initial is a dict of fields, or a number for all of them, got {type(given).__name__}")
    packed = equation.pack({name: _double(value) for name, value in given.items()}).detach()
    if tuple(packed.shape) != equation.state_shape:
        raise OptionError(f"initial has shape {tuple(packed.shape)}, expected one state, {equation.state_shape}")
    packed = packed.to(torch.complex128 if packed.is_complex() else torch.float64).clone()
    return nn.Parameter(packed) if learned else packed


def _double(value: Any) -> Any:
    """Numbers with all their digits; `pack` would round them to the default dtype."""
    if isinstance(value, (int, float)):
        return torch.tensor(value, dtype=torch.float64)
    return torch.tensor(value, dtype=torch.complex128) if isinstance(value, complex) else value
