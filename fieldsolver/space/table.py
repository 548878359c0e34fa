"""Constants that differ from point to point, kept on every device and in every precision that asked for them."""

from __future__ import annotations

import torch
from torch import Tensor


class Table:
    """A float64 tensor that is copied to a device once, not at every evaluation.

    Args:
        values: the constants, float64 on the host.
    """

    def __init__(self, values: Tensor) -> None:
        self.values = values
        self._copies = {(values.device, dtype): values.to(dtype) for dtype in (torch.float32, torch.float64)}

    def on(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        """The constants on `device`, real, in the precision of `dtype`."""
        key = device, dtype.to_real() if dtype.is_complex else dtype
        copy = self._copies.get(key)
        if copy is None:
            copy = self.values.to(*key)
            if _outlives_its_call(copy):
                self._copies[key] = copy
        return copy

    def rows(self, like: Tensor) -> tuple[Tensor, ...]:
        """The constants row by row, for arithmetic with `like`."""
        return self.on(like.device, like.dtype).unbind(0)


def _outlives_its_call(tensor: Tensor) -> bool:
    """Whether a tensor may be kept: not traced, fake, wrapped by a transformation or made for inference only."""
    return (
        not torch.compiler.is_compiling()
        and type(tensor) is Tensor
        and not tensor.is_inference()
        and not torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    )
