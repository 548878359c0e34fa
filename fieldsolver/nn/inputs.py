"""What is fed to a layer at every call: parameters of its equation, one value per sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.bound import value_shape
from fieldsolver.errors import OptionError, StateError, listing, nearest

from .precision import refuse_low


class Inputs:
    """The names of the parameters that are fed, and the shape of one sample's value of each.

    Args:
        equation: declares them as parameters; what they are there is their value where nothing is fed.
        names: one name, or several.

    Raises:
        OptionError: no such parameter, one that has no value per sample, or a name twice.
    """

    def __init__(self, equation: FieldEquation, names: str | Sequence[str]) -> None:
        self.names: tuple[str, ...] = (names,) if isinstance(names, str) else tuple(names)
        if len(set(self.names)) != len(self.names):
            raise OptionError(f"inputs names a parameter twice: {listing(self.names)}")
        self.shapes = {name: value_shape(equation, name) for name in self.names}

    def read(self, given: Any) -> dict[str, Tensor]:
        """The values by name, ``(*lead, C)`` or ``(*lead, C, *grid)`` each, with whatever axes lead.

        Args:
            given: a tensor if there is one input, or a dict of tensors.

        Raises:
            OptionError: something is missing or unknown.
            StateError: a shape or a dtype that cannot be.
        """
        if isinstance(given, Tensor):
            if len(self.names) != 1:
                raise OptionError(
                    f"this layer has the inputs {listing(self.names)}; pass a dict with a tensor for each"
                )
            given = {self.names[0]: given}
        if not isinstance(given, Mapping):
            raise OptionError(f"inputs are a tensor or a dict of tensors, got {type(given).__name__}")
        for name in given:
            if name not in self.shapes:
                raise OptionError(
                    f"there is no input {name!r}; inputs: {listing(self.names)}{nearest(name, self.names)}"
                )
        missing = [name for name in self.names if name not in given]
        if missing:
            raise OptionError(f"the input {missing[0]!r} is missing; give all of {listing(self.names)}")
        return {name: self._checked(name, given[name]) for name in self.names}

    def lead(self, name: str, value: Tensor) -> tuple[int, ...]:
        """The axes before one sample's value."""
        return tuple(value.shape[: value.dim() - len(self.shapes[name])])

    def _checked(self, name: str, value: Any) -> Tensor:
        shape = self.shapes[name]
        if not isinstance(value, Tensor) or not (value.is_floating_point() or value.is_complex()):
            got = value.dtype if isinstance(value, Tensor) else type(value).__name__
            raise StateError(f"input {name!r} must be a tensor of floating or complex type, got {got}; write x.float()")
        if value.dim() < len(shape) or tuple(value.shape[value.dim() - len(shape) :]) != shape:
            expected = ", ".join(map(str, shape))
            hint = "; one component needs an axis of length 1, x.unsqueeze(-1)" if shape == (1,) else ""
            if shape == (1,) and value.dim() > 1:
                hint += f", and {value.shape[-1]} components are declared as torch.zeros({value.shape[-1]})"
            raise StateError(f"input {name!r} has shape {tuple(value.shape)}, expected (*batch, {expected}){hint}")
        refuse_low(f"input {name!r}", value)
        return value
