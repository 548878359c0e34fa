"""Is the loss one that its gradient can be asked of: a number, or one per sample, of the output?"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fieldsolver.errors import OptionError

from .visit import Visit

Loss = Callable[[Tensor], Tensor]


def check_loss(visit: Visit, loss: Loss) -> None:
    """Call it once with the output of the run.

    Raises:
        OptionError: it returns no tensor of real numbers, another number of them than one or one per sample, or
            something without derivatives by the output.
    """
    batch = visit.states.shape[1]
    lead = visit.solution.y.shape[1 : visit.solution.y.dim() - len(visit.equation.state_shape)]
    with torch.enable_grad():
        read = visit.layer.readout(visit.states[-1])
        output = read.reshape(*lead, *read.shape[1:]).detach().requires_grad_()
        value = loss(output)
        _check_numbers(value, batch)
        if not value.requires_grad:
            raise OptionError(
                "loss returns a number without a gradient, so none can be followed back; compute it from the output by "
                "torch operations, without .detach(), .item() or torch.no_grad()"
            )
        (slope,) = torch.autograd.grad(value.sum(), [output], allow_unused=True)
    if slope is None:
        raise OptionError("loss does not depend on the output of the layer; it is called as loss(output)")


def _check_numbers(value: object, batch: int) -> None:
    if not isinstance(value, Tensor):
        raise OptionError(f"loss returns a tensor, one number or one per sample; got {type(value).__name__}")
    if value.is_complex():
        raise OptionError("loss returns real numbers, got complex ones; take their .abs()")
    if value.numel() not in (1, batch):
        raise OptionError(
            f"loss returns one number or one per sample, so {batch} here; got {value.numel()} of shape "
            f"{tuple(value.shape)}"
        )
