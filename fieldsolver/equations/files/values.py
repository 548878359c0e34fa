"""Numbers of a file as Python numbers and tensors: double precision, complex where they say so."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fieldsolver.errors import ParameterError

from .leaves import is_complex, is_number
from .shapes import shown


def is_plain(value: Any) -> bool:
    """Whether a value is a single number, real or complex."""
    return is_number(value) or is_complex(value)


def plain_number(value: Any) -> int | float | complex:
    """A single number."""
    return complex(value["re"], value["im"]) if isinstance(value, dict) else value


def as_tensor(value: Any, what: str) -> Tensor:
    """Numbers nested in lists as float64 or complex128; raises `ParameterError` when the rows differ in length."""
    converted, dtype = _converted(value)
    try:
        return torch.tensor(converted, dtype=dtype)
    except (ValueError, TypeError):
        raise ParameterError(
            f"{what} must be a number, or lists whose rows have equal length, got {shown(value)}"
        ) from None


def _converted(value: Any) -> tuple[Any, torch.dtype]:
    if not isinstance(value, list):
        return (plain_number(value), torch.complex128) if isinstance(value, dict) else (float(value), torch.float64)
    pairs = [_converted(item) for item in value]
    dtype = torch.complex128 if any(own == torch.complex128 for _, own in pairs) else torch.float64
    return [item for item, _ in pairs], dtype
