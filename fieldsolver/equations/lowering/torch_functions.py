"""The elementary functions of the language as torch functions, and their folding on plain numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def _sign(z: torch.Tensor) -> torch.Tensor:
    return torch.sign(z)


def _heaviside(z: torch.Tensor) -> torch.Tensor:
    """1 for positive, 0 for negative, 1/2 at zero."""
    return torch.heaviside(z, torch.full((), 0.5, dtype=z.dtype, device=z.device))


def _conj(z: torch.Tensor) -> torch.Tensor:
    return torch.conj_physical(z) if z.is_complex() else z


def _real(z: torch.Tensor) -> torch.Tensor:
    return z.real if z.is_complex() else z


def _imag(z: torch.Tensor) -> torch.Tensor:
    return z.imag if z.is_complex() else torch.zeros_like(z)


def _where(condition: torch.Tensor | bool, a: Any, b: Any) -> Any:
    if isinstance(condition, bool):  # folded
        return a if condition else b
    return torch.where(condition, a, b)


def _two_sided(function: Callable[..., torch.Tensor]) -> Callable[[Any, Any], torch.Tensor]:
    def apply(a: Any, b: Any) -> torch.Tensor:
        like = a if isinstance(a, torch.Tensor) else b
        a, b = (v if isinstance(v, torch.Tensor) else torch.full_like(like, v) for v in (a, b))
        return function(a, b)

    return apply


TORCH_FUNCTIONS: dict[str, Callable[..., torch.Tensor]] = {
    "sin": torch.sin,
    "cos": torch.cos,
    "tan": torch.tan,
    "asin": torch.asin,
    "acos": torch.acos,
    "atan": torch.atan,
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "tanh": torch.tanh,
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "sigmoid": torch.sigmoid,
    "softplus": torch.nn.functional.softplus,
    "relu": torch.relu,
    "erf": torch.erf,
    "abs": torch.abs,
    "sign": _sign,
    "heaviside": _heaviside,
    "conj": _conj,
    "real": _real,
    "imag": _imag,
    "min": _two_sided(torch.minimum),
    "max": _two_sided(torch.maximum),
    "where": _where,
}


def fold(name: str, *values: Any) -> Any:
    """Apply an elementary function to plain numbers, in double precision."""
    arguments = [
        value
        if isinstance(value, torch.Tensor)
        else torch.tensor(value, dtype=torch.complex128 if isinstance(value, complex) else torch.float64)
        for value in (bool(v) if isinstance(v, bool) else v for v in values)
    ]
    if name == "where":
        arguments[0] = arguments[0] != 0
    return TORCH_FUNCTIONS[name](*arguments).item()
