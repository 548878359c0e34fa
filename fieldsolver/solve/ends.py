"""Ends of the time span that somebody differentiates with respect to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods.transformed import is_traced
from fieldsolver.stepping import Ends


def differentiable_ends(t_span: Sequence[Any] | None, until: object | None) -> Ends | None:
    """Both ends as float64 tensors if one of them requires a gradient or is followed by a transform; None otherwise.

    Raises:
        OptionError: they do while samples end at rest, whenever that is.
    """
    entries = () if t_span is None else tuple(t_span)
    tensors = [t for t in entries if isinstance(t, Tensor)]
    if not any(is_traced(t) or (t.requires_grad and torch.is_grad_enabled()) for t in tensors):
        return None
    if until is not None:
        raise OptionError("t_span requires a gradient, but with until= samples end at rest; pass plain numbers")
    t0, t1 = (torch.as_tensor(t, dtype=torch.float64).reshape(()) for t in entries)
    return Ends(t0, t1)
