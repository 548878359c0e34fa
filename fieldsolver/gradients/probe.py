"""Which gradients does a vector field ask for? One evaluation of f tells."""

from __future__ import annotations

import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.stepping import VectorField
from fieldsolver.stepping.random_numbers import undisturbed


def tracks_gradients(field: VectorField, t0: float, y0: Tensor) -> bool:
    """Whether f(t0, y0) carries a graph, through y0, the parameters or captured tensors."""
    if not torch.is_grad_enabled():
        return False
    return y0.requires_grad or any(p.requires_grad for p in field.parameters) or captures_gradients(field, t0, y0)


def captures_gradients(field: VectorField, t0: float, y0: Tensor) -> bool:
    """Whether f depends on tensors that require a gradient beyond y0 and the parameters."""
    hidden = field.with_parameters(tuple(parameter.detach() for parameter in field.parameters))
    t = torch.full((y0.shape[0],), t0, dtype=torch.float64, device=y0.device)
    with torch.enable_grad(), undisturbed(y0.device):
        output = hidden(t, y0.detach())
    return isinstance(output, Tensor) and output.requires_grad  # what is no tensor is refused by the loop's first check


def refuse_captured_gradients(field: VectorField, t0: float, y0: Tensor, mode: str) -> None:
    """Refuse a field whose captured tensors would silently get no gradient.

    Raises:
        OptionError: f captures a tensor that requires a gradient.
    """
    if torch.is_grad_enabled() and captures_gradients(field, t0, y0):
        raise OptionError(
            f"f captures a tensor that requires a gradient, which gradient={mode!r} cannot see; pass it through args "
            "(or as a parameter of the module that is f), or use gradient='direct'"
        )
