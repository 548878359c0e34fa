"""Linear and convolution layers with weights of eight bits, for inference.

A weight w of an output is stored as the integer round(w / s), with s = max |w| / 127 of that output. The linear layer
also rounds its input, row by row as it comes (dynamically), and multiplies integers: x W^T = s_x s_w (q_x . q_w). Each
row has its own scale, so that no sample depends on its neighbours. The convolution multiplies in the precision of its
input.

Source: Jacob et al., *Quantization and training of neural networks for efficient integer-arithmetic-only inference*
(CVPR 2018), section 2.1 with zero-point 0; per-row scales as in Dettmers et al., *LLM.int8()* (2022), section 2.1.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

LARGEST = 127
"""Symmetric: -128 is not used."""


class Int8Linear(nn.Module):
    """``nn.Linear`` in integers.

    Args:
        linear: the layer it stands for.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight, scale = rounded(linear.weight.detach())
        self.register_buffer("weight", weight)  # (out, in) int8
        self.register_buffer("scale", scale)  # (out, 1)
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)"""
        q, scale = rounded(x.reshape(-1, x.shape[-1]))
        product = torch._int_mm(q, self.get_buffer("weight").t())  # exact, (rows, out) int32
        y = product.to(x.dtype) * scale * self.get_buffer("scale").to(x.dtype).t()
        if self.bias is not None:
            y = y + self.get_buffer("bias").to(x.dtype)
        return y.reshape(*x.shape[:-1], y.shape[1])

    def extra_repr(self) -> str:
        """Sizes."""
        out, into = self.get_buffer("weight").shape
        return f"{into}, {out}, bias={self.bias is not None}"


class Int8Convolution(nn.Module):
    """``nn.Conv1d``, ``2d`` or ``3d`` with a weight of eight bits.

    Args:
        convolution: the layer it stands for.
    """

    def __init__(self, convolution: nn.Conv1d | nn.Conv2d | nn.Conv3d) -> None:
        super().__init__()
        kernel = convolution.weight.detach()
        weight, scale = rounded(kernel.flatten(1))
        self.register_buffer("weight", weight.reshape(kernel.shape))
        self.register_buffer("scale", scale.reshape(-1, *[1] * (kernel.dim() - 1)))
        self.plain = _without_weight(convolution)

    def forward(self, x: Tensor) -> Tensor:
        """As the convolution."""
        kernel = self.get_buffer("weight").to(x.dtype) * self.get_buffer("scale").to(x.dtype)
        y: Tensor = torch.func.functional_call(self.plain, {"weight": kernel}, (x,))
        return y


def rounded(rows: Tensor) -> tuple[Tensor, Tensor]:
    """(R, N) -> integers (R, N) int8 and scales (R, 1), whose product is `rows` to half a scale."""
    largest = rows.abs().amax(dim=1, keepdim=True)
    scale = torch.where(largest > 0, largest, 1.0) / LARGEST
    return (rows / scale).round().to(torch.int8), scale


def _without_weight(convolution: nn.Module) -> nn.Module:
    """The convolution's bias, padding and the rest."""
    plain = copy.deepcopy(convolution).requires_grad_(False)
    plain.register_parameter("weight", None)
    return plain
