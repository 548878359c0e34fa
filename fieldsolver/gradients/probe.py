"""Which gradients does a vector field ask for? One evaluation of f tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods.transformed import in_forward_mode, in_transform, is_traced
from fieldsolver.stepping import Ends, VectorField
from fieldsolver.stepping.events import EventFunction
from fieldsolver.stepping.random_numbers import undisturbed


def tracks_gradients(field: VectorField, t0: float, y0: Tensor, events: Sequence[EventFunction] = ()) -> bool:
    """Whether f(t0, y0), or a condition or reset of the events, carries a graph: through y0, parameters or captures.

    What is inside a transform of torch.func counts as such.
    """
    if is_transformed(field, t0, y0):
        return True
    if not torch.is_grad_enabled():
        return False
    if y0.requires_grad or any(p.requires_grad for p in field.parameters) or captures_gradients(field, t0, y0):
        return True
    return captured_by_events(field, t0, y0, events) is not None


def is_transformed(field: VectorField, t0: float, y0: Tensor, ends: Ends | None = None) -> bool:
    """Whether f(t0, y0) or the ends are inside a transform of torch.func, or carry a tangent of forward mode."""
    if not in_transform():
        return False
    return any(is_traced(x) for x in (y0, *(ends or ()), *field.parameters)) or is_traced(_rate(field, t0, y0))


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
    with torch.enable_grad():
        return _rate(hidden, t0, y0.detach()).requires_grad


def _rate(field: VectorField, t0: float, y0: Tensor) -> Tensor:
    """f(t0, y0) without a trace; what is no tensor is refused by the loop's first check."""
    t = torch.full((y0.shape[0],), t0, dtype=torch.float64, device=y0.device)
    with undisturbed(y0.device):
        rate = field(t, y0)
    return rate if isinstance(rate, Tensor) else t


def refuse_captured_gradients(
    field: VectorField, t0: float, y0: Tensor, mode: str, events: Sequence[EventFunction] = ()
) -> None:
    """Refuse a field, or events, whose captured tensors would silently get no gradient, and forward-mode derivatives.

    Raises:
        OptionError: f or an event captures a tensor that requires a gradient, or forward mode is under way.
    """
    if in_forward_mode() and is_transformed(field, t0, y0):
        raise OptionError(
            f"gradient={mode!r} has no forward-mode derivative (jvp, jacfwd, hessian); use gradient='direct'"
        )
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
