"""Mixed precision: the solve keeps its state, times, norms and transforms in float32 or better.

Rounding of a state in bfloat16 (8 bits) is larger than the error of most steps, and error control would act on noise; so
a layer leaves autocast for as long as it solves. A module inside the equation runs in low precision only where the user
says so, by wrapping it in `Autocast`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fieldsolver.errors import OptionError, StateError

LOW = (torch.float16, torch.bfloat16)


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Autocast is off inside; autograd keeps that for the backward pass."""
    if torch.is_autocast_enabled(device.type):
        with torch.autocast(device.type, enabled=False):
            yield
    else:
        yield


def at_least_float32(what: str, value: Tensor) -> Tensor:
    """Under autocast, low precision becomes float32, because a layer before this one made it; otherwise it is refused.

    Raises:
        StateError: float16 or bfloat16 outside autocast.
    """
    if value.dtype not in LOW:
        return value
    if not torch.is_autocast_enabled(value.device.type):
        raise StateError(f"{what} has dtype {value.dtype}, in which no solve is accurate; pass it as .float()")
    return value.float()


class Autocast(nn.Module):
    """A module that computes in low precision inside a layer that does not: its result has the dtype of its arguments.

    It does so in training and evaluation, with and without `torch.autocast` around it, so that a layer is the same
    function everywhere.

    Args:
        module: what runs under autocast.
        dtype: ``torch.bfloat16`` or ``torch.float16``; the gradient of float16 underflows without loss scaling.

    Raises:
        OptionError: another dtype.
    """

    def __init__(self, module: nn.Module, dtype: torch.dtype = torch.bfloat16) -> None:
        super().__init__()
        if dtype not in LOW:
            raise OptionError(f"Autocast computes in torch.bfloat16 or torch.float16, got {dtype}")
        self.module = module
        self.dtype = dtype

    def forward(self, *arguments: Tensor) -> Tensor:
        """The module's result, in the dtype of the first argument."""
        first = arguments[0]
        with torch.autocast(first.device.type, dtype=self.dtype):
            result: Tensor = self.module(*arguments)
        return result.to(first.dtype)

    def extra_repr(self) -> str:
        """In which precision."""
        return str(self.dtype).removeprefix("torch.")
