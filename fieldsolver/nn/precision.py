"""Mixed precision: the solve keeps its state, times, norms and transforms in float32 or better.

Rounding of a state in bfloat16 (8 bits) is larger than the error of most steps, and error control would act on noise.
So a layer leaves autocast for as long as it solves. A module inside the equation runs in low precision only where the
user says so, by wrapping it in `Autocast`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError, StateError

LOW = (torch.float16, torch.bfloat16)


@contextmanager
def solving(*arguments: Any) -> Iterator[tuple[Any, ...]]:
    """Autocast is off inside, and low precision in the arguments has become float32 where it was on before.

    Args:
        *arguments: tensors, dicts of tensors, or anything else; the first tensor names the device.
    """
    tensors = [value for argument in arguments for value in _values(argument) if isinstance(value, Tensor)]
    kind = tensors[0].device.type if tensors else "cpu"
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        with torch.autocast(kind, enabled=False):
            yield tuple(_widened(argument) for argument in arguments)
    else:
        yield arguments


def refuse_low(what: str, value: Tensor) -> None:
    """Raises `StateError` for float16 and bfloat16."""
    if value.dtype in LOW:
        raise StateError(f"{what} has dtype {value.dtype}, in which no solve is accurate; pass it as .float()")


def refuse_mixed(equation: FieldEquation, y: Tensor) -> None:
    """Raises `StateError` where a module cannot compute in the precision of the state, at no cost where they agree.

    Args:
        equation: bound to the inputs.
        y: ``(B, C, *grid)``, B >= 1.
    """
    real = y.dtype.to_real()
    other = {p.dtype for p in equation.submodules.parameters() if p.is_floating_point() and p.dtype != real}
    if not other:
        return
    try:
        with torch.no_grad():
            equation(0.0, y)
    except RuntimeError as error:
        if "dtype" not in str(error):
            raise
        name = min(map(str, other))
        raise StateError(
            f"modules of the equation hold {name}, and the state and the inputs are {real}; pass them as .to({name}), "
            f"or convert the layer, layer.to({real})"
        ) from error


def _values(argument: Any) -> Iterable[Any]:
    return argument.values() if isinstance(argument, Mapping) else (argument,)


def _widened(argument: Any) -> Any:
    if isinstance(argument, Mapping):
        return {name: _widened(value) for name, value in argument.items()}
    return argument.float() if isinstance(argument, Tensor) and argument.dtype in LOW else argument


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
