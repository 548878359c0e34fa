"""What a module is besides its parameters: its buffers, and whether its parts are in training mode."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from fieldsolver.methods.transformed import is_traced
from fieldsolver.stepping.vector_field import Witness, version


def module_witness(modules: Iterable[nn.Module]) -> Witness | None:
    """Says what the modules are at the moment, in values that compare equal as long as nothing changes.

    Args:
        modules: those that are evaluated; None is returned without any.
    """
    watched = tuple(modules)

    def witness() -> tuple[object, ...]:
        training = (part.training for module in watched for part in module.modules())
        return *training, *(_Buffer(buffer) for module in watched for buffer in module.buffers())

    return witness if watched else None


class _Buffer:
    """A buffer and how often it was written to. The tensor is kept, so that no other one gets its memory.

    Args:
        tensor: the buffer.
    """

    def __init__(self, tensor: Tensor) -> None:
        self._tensor, self._version = tensor, version(tensor)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Buffer):
            return NotImplemented
        return self._version == other._version and _same_numbers(self._tensor, other._tensor)

    def __hash__(self) -> int:
        return hash(self._version)


def _same_numbers(a: Tensor, b: Tensor) -> bool:
    """Whether both are one tensor, or views of the same memory, as those of `state_dict` are."""
    if a is b or is_traced(a) or is_traced(b):
        return a is b
    return (a.data_ptr(), a.dtype, a.shape, a.stride()) == (b.data_ptr(), b.dtype, b.shape, b.stride())
