"""The initial state of a plain function: one tensor of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations.state import refuse_without_numbers
from fieldsolver.errors import StateError
from fieldsolver.methods.transformed import is_batched


def plain_state(y0: Any, batch_dims: int) -> Tensor:
    """`y0` as a tensor of floating or complex numbers; integers become the default float.

    Args:
        y0: what the user gave.
        batch_dims: 1 for independent samples, of which single ones may be NaN: each of them fails by itself.

    Raises:
        StateError: it cannot be a state; one sentence says what to pass instead.
    """
    state = _as_tensor(y0)
    if not (state.is_floating_point() or state.is_complex()):
        state = state.to(torch.get_default_dtype())
    if state.dtype in (torch.float16, torch.bfloat16):
        raise StateError(f"the state has dtype {state.dtype}; use float32, float64, complex64 or complex128")
    if state.dim() < batch_dims:
        raise StateError("batch_dims=1 needs a state of shape (B, ...), got a scalar")
    if batch_dims == 0 and not is_batched(state) and not torch.isfinite(state).all():
        raise StateError("the initial state contains NaN or infinity")
    return state


def _as_tensor(y0: Any) -> Tensor:
    if isinstance(y0, Mapping):
        raise StateError("a dict of fields needs a FieldEquation; a plain function f(t, y) takes one tensor")
    try:
        state = torch.as_tensor(y0)
    except (TypeError, ValueError, RuntimeError):
        join = "; join its parts, as in torch.cat([...]) or torch.stack([...])" if isinstance(y0, (tuple, list)) else ""
        raise StateError(f"y0 is {type(y0).__name__}, expected one tensor of numbers{join}") from None
    refuse_without_numbers("y0", state)
    return state
