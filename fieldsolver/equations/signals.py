"""Sampled inputs: piecewise linear functions of time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fieldsolver.errors import ParameterError


class Signal:
    """An input known at some times, linear between them; outside it keeps its first and last value.

    Args:
        times: increasing times, shape ``(K,)``.
        values: shape ``(K,)``, or ``(K, C)`` for an input with components.

    Raises:
        ParameterError: times that do not increase, shapes that do not fit, or values that are not finite.
    """

    def __init__(self, times: Any, values: Any) -> None:
        self.times = torch.as_tensor(times, dtype=torch.float64).detach().contiguous()
        self.values = values.double() if isinstance(values, Tensor) else torch.as_tensor(values, dtype=torch.float64)
        if self.times.dim() != 1 or self.times.numel() < 2 or not (self.times.diff() > 0).all():
            raise ParameterError("the times of a Signal are at least two, in increasing order")
        if self.values.dim() not in (1, 2) or self.values.shape[0] != self.times.numel():
            raise ParameterError(
                f"the values of a Signal have shape {tuple(self.values.shape)}, expected ({self.times.numel()},) or "
                f"({self.times.numel()}, C)"
            )
        if not (torch.isfinite(self.times).all() and torch.isfinite(self.values).all()):
            raise ParameterError("the times and values of a Signal must be finite")

    @property
    def components(self) -> int:
        """Number of components."""
        return self.values.shape[1] if self.values.dim() == 2 else 1


def sample(values: Tensor, times: Tensor, t: Tensor, dimension: int) -> Tensor:
    """The signal at time `t`, shaped to meet states ``(*batch, C, *grid)``.

    Args:
        values: ``(K,)`` or ``(K, C)``.
        times: ``(K,)``.
        t: a scalar, or ``(*batch, 1, ..., 1)`` with `dimension` + 1 trailing axes.
        dimension: number of grid axes.
    """
    moments = t.reshape(t.shape[: t.dim() - 1 - dimension]) if t.dim() else t
    right = torch.searchsorted(times, moments.detach().contiguous()).clamp(1, times.numel() - 1)
    t0, t1 = _at(times, right - 1), _at(times, right)
    weight = ((moments - t0) / (t1 - t0)).clamp(0.0, 1.0)
    values = values.to(weight.dtype)  # a layer cast to float32 still knows its inputs in the precision of time
    if values.dim() == 2:
        weight = weight.unsqueeze(-1)
    result = torch.lerp(_at(values, right - 1), _at(values, right), weight)
    components = result.shape[-1:] if values.dim() == 2 else (1,) * (moments.dim() > 0)
    lead = result.shape[: moments.dim()]
    return result.reshape((*lead, *components, *((1,) * dimension if result.dim() or components else ())))


def _at(table: Tensor, index: Tensor) -> Tensor:
    """``table[index]``; plain indexing by a scalar tensor would read it on the host."""
    return table.index_select(0, index.reshape(-1)).reshape(index.shape + table.shape[1:])
