"""Which gradients does a vector field ask for? One evaluation of f tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.stepping import VectorField
from fieldsolver.stepping.events import EventFunction
from fieldsolver.stepping.random_numbers import undisturbed


def tracks_gradients(field: VectorField, t0: float, y0: Tensor, events: Sequence[EventFunction] = ()) -> bool:
    """Whether f(t0, y0), or a condition or reset of the events, carries a graph: through y0, parameters or captures."""
    if not torch.is_grad_enabled():
        return False
    if y0.requires_grad or any(p.requires_grad for p in field.parameters) or captures_gradients(field, t0, y0):
        return True
    return captured_by_events(field, t0, y0, events) is not None


def captured_by_events(field: VectorField, t0: float, y0: Tensor, events: Sequence[EventFunction]) -> str | None:
    """The name of an event that depends on tensors that require a gradient beyond y0 and the parameters."""
    for event in events:
        for function in (event.condition, event.reset):
            if function is not None and captures_gradients(replace(field, function=function), t0, y0):
                return event.name
    return None


def captures_gradients(field: VectorField, t0: float, y0: Tensor) -> bool:
    """Whether f depends on tensors that require a gradient beyond y0 and the parameters."""
    hidden = field.with_parameters(tuple(parameter.detach() for parameter in field.parameters))
    t = torch.full((y0.shape[0],), t0, dtype=torch.float64, device=y0.device)
    with torch.enable_grad(), undisturbed(y0.device):
        output = hidden(t, y0.detach())
    return isinstance(output, Tensor) and output.requires_grad  # what is no tensor is refused by the loop's first check


def refuse_captured_gradients(
    field: VectorField, t0: float, y0: Tensor, mode: str, events: Sequence[EventFunction] = ()
) -> None:
    """Refuse a field, or events, whose captured tensors would silently get no gradient.

    Raises:
        OptionError: f or an event captures a tensor that requires a gradient.
    """
    name = captured_by_events(field, t0, y0, events) if torch.is_grad_enabled() else None
    if name is not None:
        raise OptionError(
            f"event {name!r} captures a tensor that requires a gradient, which gradient={mode!r} cannot see; declare "
            "it as a parameter of the equation, or use gradient='direct'"
        )
    if torch.is_grad_enabled() and captures_gradients(field, t0, y0):
        raise OptionError(
            f"f captures a tensor that requires a gradient, which gradient={mode!r} cannot see; pass it through args "
            "(or as a parameter of the module that is f), or use gradient='direct'"
        )
