"""A state as given by the user, as one number per component."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import StateError


def uniform_part(equation: FieldEquation, state: Mapping[str, Any] | Tensor | Sequence[Any]) -> Tensor:
    """The mean of a state over the grid, ``(C,)``; lists and arrays count as tensors."""
    if not isinstance(state, (Tensor, Mapping)):
        state = _listed(state, equation.is_complex)
    if isinstance(state, Tensor) and tuple(state.shape) == (equation.components,):
        packed = state.detach()
    elif isinstance(state, Mapping) and all(isinstance(value, (int, float, complex)) for value in state.values()):
        packed = _numbers(equation, state)
    else:
        packed = equation.pack(state).detach()
        if tuple(packed.shape) != equation.state_shape:
            raise StateError(f"one state has the shape {equation.state_shape}, got {tuple(packed.shape)}")
        if equation.layout.domains:
            raise StateError("give a number per field, such as {'u': 1.0}, where the fields have grids of their own")
        packed = packed.flatten(1).mean(-1) if equation.layout.dimension else packed
    dtype = torch.complex128 if equation.is_complex else torch.float64
    if not bool(torch.isfinite(packed.abs()).all()):
        raise StateError("the state is not finite")
    return packed.to(dtype)


def _listed(state: Sequence[Any], is_complex: bool) -> Tensor:
    try:
        values = np.asarray(state, dtype=complex if is_complex else float)
    except (TypeError, ValueError):
        kind = "complex" if is_complex else "real"
        raise StateError(f"a state is a dict, a tensor or a list of {kind} numbers, got {state!r}") from None
    return torch.as_tensor(values)


def _numbers(equation: FieldEquation, state: Mapping[str, Any]) -> Tensor:
    missing = [name for name in equation.fields if name not in state]
    unknown = [name for name in state if name not in equation.fields]
    if missing or unknown:
        raise StateError(f"a state has one number for each of {', '.join(equation.fields)}; got {', '.join(state)}")
    sizes = [equation.layout.fields[name][1] for name in equation.fields]
    values = [complex(state[name]) for name, size in zip(equation.fields, sizes, strict=True) for _ in range(size)]
    if not equation.is_complex and any(value.imag for value in values):
        raise StateError("the equation is real, and a number of the state is complex")
    if equation.is_complex:
        return torch.tensor(values, dtype=torch.complex128)
    return torch.tensor([value.real for value in values], dtype=torch.float64)
