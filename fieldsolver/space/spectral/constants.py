"""Tables that a transform needs again and again, computed once in double precision and kept on every device."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import torch
from torch import Tensor

# `dtype.to_real()` and `dtype.to_complex()`, which torch.compile cannot trace.
REAL = {torch.complex64: torch.float32, torch.complex128: torch.float64}
COMPLEX = {torch.float32: torch.complex64, torch.float64: torch.complex128}


class Constants:
    """Tensors by name, device and dtype; each is built on the host and copied to its device once."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Hashable, torch.device, torch.dtype], Tensor] = {}

    def get(self, name: Hashable, build: Callable[[], np.ndarray], like: Tensor) -> Tensor:
        """The table `name` on the device and in the precision of `like`; complex if and only if `build` makes it so."""
        return self.on(like.device, like.dtype, name, build)

    def on(self, device: torch.device, dtype: torch.dtype, name: Hashable, build: Callable[[], np.ndarray]) -> Tensor:
        """The same for a device and the precision of a dtype."""
        key = (name, device, real(dtype))
        kept = self._kept.get(key)
        if kept is None:
            kept = _on_device(build, device, dtype)
            if type(kept) is Tensor:  # a fake tensor would be useless outside its mode
                self._kept[key] = kept
        return kept

    def __deepcopy__(self, memo: dict[int, Any]) -> Constants:
        return Constants()

    def __reduce__(self) -> tuple[type[Constants], tuple[()]]:
        return Constants, ()  # tables are rebuilt where they are needed, perhaps on another machine


@torch.compiler.disable  # NumPy is not to be traced; later calls find the table
def _on_device(build: Callable[[], np.ndarray], device: torch.device, dtype: torch.dtype) -> Tensor:
    table = build()
    precision = real(dtype)
    # An inference tensor could never be part of a later backward pass.
    with torch.inference_mode(mode=False):
        host = torch.from_numpy(np.ascontiguousarray(table))
        return host.to(device, COMPLEX[precision] if np.iscomplexobj(table) else precision)


def real(dtype: torch.dtype) -> torch.dtype:
    """The real dtype of the same precision."""
    return REAL.get(dtype, dtype)


def in_precision(factors: Tensor, values: Tensor) -> Tensor:
    """`factors`, real or complex as they are, in the precision of `values`."""
    precision = real(values.dtype)
    return factors.to(COMPLEX[precision] if factors.is_complex() else precision)


def along(vector: Tensor, dim: int) -> Tensor:
    """``(M,)`` -> ``(M, 1, ..., 1)``, so that it broadcasts along `dim` (negative)."""
    return vector.reshape(-1, *(1,) * (-dim - 1))


def resized(values: Tensor, dim: int, below: int, above: int) -> Tensor:
    """Zeros added at the two ends of `dim`; negative numbers cut entries off."""
    if below == 0 and above == 0:
        return values
    return torch.nn.functional.pad(values, [0, 0] * (-dim - 1) + [below, above])
