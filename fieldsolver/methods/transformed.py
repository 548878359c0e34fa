"""Tensors inside the function transforms of torch.func (grad, jvp, vmap and what is made of them).

The loop reads times and errors on the host. Under `grad` and `jvp` a tensor still is one tensor, and can be read; under
`vmap` it stands for many, of which each would want steps of its own.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor
from torch._C import _are_functorch_transforms_active
from torch._C._functorch import get_unwrapped, is_batchedtensor, is_functorch_wrapped_tensor
from torch.autograd import forward_ad

from fieldsolver.errors import OptionError


def is_batched(x: Tensor) -> bool:
    """Whether x stands for many tensors, under `torch.func.vmap`."""
    while is_functorch_wrapped_tensor(x):
        if is_batchedtensor(x):
            return True
        x = get_unwrapped(x)
    return False


def in_forward_mode() -> bool:
    """Whether forward-mode derivatives are being computed, of whatever."""
    return forward_ad._current_level >= 0


def in_function_transform() -> bool:
    """Whether a transform of torch.func is under way."""
    return _are_functorch_transforms_active()


def in_transform() -> bool:
    """Whether any of this is under way, forward mode included."""
    return in_forward_mode() or in_function_transform()


def is_traced(x: Tensor) -> bool:
    """Whether a derivative may travel with x that `requires_grad` does not show: a tangent, or a transform.

    A wrapped tensor counts as one that does: an outer transform may follow what an inner one cannot see.
    """
    return is_functorch_wrapped_tensor(x) or (in_forward_mode() and forward_ad.unpack_dual(x).tangent is not None)


def is_plain(x: Tensor) -> bool:
    """Whether x is numbers alone, which may be written over: no graph, no tangent, no transform."""
    return not (x.requires_grad or is_traced(x))


def numbers_of(x: Tensor) -> np.ndarray:
    """The numbers of a wrapped tensor.

    Raises:
        OptionError: it is batched.
    """
    if is_batched(x):
        raise OptionError(
            "torch.func.vmap runs all samples at once, but adaptive steps and events depend on the numbers of each; "
            "give dt=, or let y0 have the batch as its leading axis (batch_dims=1 for plain functions) without vmap"
        )
    return np.asarray(x.detach().tolist(), dtype=str(x.dtype).removeprefix("torch.")).reshape(x.shape)


__all__ = [
    "in_forward_mode",
    "in_function_transform",
    "in_transform",
    "is_batched",
    "is_functorch_wrapped_tensor",
    "is_plain",
    "is_traced",
    "numbers_of",
]
