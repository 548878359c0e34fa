"""What a forward pass keeps for the backward pass, in bytes."""

from __future__ import annotations

import gc
from collections.abc import Callable

import torch
from torch import Tensor


def held_bytes(forward: Callable[..., Tensor], *arguments: Tensor) -> int:
    """Bytes of all storages that autograd saves in a call, and of those that Python holds after it and not before.

    The second kind is what functions of our own keep on the side, such as checkpoints.
    """
    before = {storage for storage, _ in _in_python()}
    saved: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        result = forward(*arguments)
    saved.update((storage, size) for storage, size in _in_python() if storage not in before)
    saved.pop(result.untyped_storage().data_ptr(), None)  # the result is everybody's
    return sum(size for storage, size in saved.items() if storage not in before)


def _in_python() -> list[tuple[int, int]]:
    gc.collect()
    storages = (
        tensor.untyped_storage()
        for tensor in gc.get_objects()
        if type(tensor) in (Tensor, torch.nn.Parameter)
        and tensor.device.type == "cpu"
        and tensor.layout is torch.strided
    )
    return [(storage.data_ptr(), storage.nbytes()) for storage in storages]
