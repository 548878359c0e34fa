"""The norm of a gradient and its clipping, for dense, sparse and sharded gradients together."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor


def clip_gradient(parameters: Iterable[nn.Parameter], largest: float) -> float:
    """Scale the gradient so that its Euclidean norm is at most `largest`; the norm before is returned."""
    parts = [values for one in parameters if (values := _values(one)) is not None]
    sharded = [part for part in parts if isinstance(part, DTensor)]
    whole = [part for part in parts if not isinstance(part, DTensor)]
    norms = [nn.utils.get_total_norm(group) for group in (whole, sharded) if group]
    numbers = [norm.full_tensor() if isinstance(norm, DTensor) else norm for norm in norms]
    if not numbers:
        return 0.0
    total = numbers[0] if len(numbers) == 1 else torch.stack(numbers).square().sum().sqrt()
    factor = (largest / (total + 1e-6)).clamp(max=1.0)
    if float(factor) != 1:  # NaN too is passed on
        for part in parts:
            (part.to_local() if isinstance(part, DTensor) else part).mul_(factor)
    return float(total)


def not_finite(model: nn.Module) -> list[str]:
    """Names of the parameters whose gradient is not finite."""
    found = []
    for name, parameter in model.named_parameters():
        values = _values(parameter)
        local = values.to_local() if isinstance(values, DTensor) else values
        if local is not None and not math.isfinite(float(local.detach().abs().sum())):
            found.append(name)
    return found


def _values(parameter: nn.Parameter) -> Tensor | None:
    """The numbers of its gradient, to be changed in place."""
    if parameter.grad is None:
        return None
    if parameter.grad.is_sparse:
        parameter.grad = parameter.grad.coalesce()
        return parameter.grad.values()
    return parameter.grad
