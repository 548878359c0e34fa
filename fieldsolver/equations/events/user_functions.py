"""Conditions and resets that a user wrote in Python, checked at every call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from fieldsolver.errors import OptionError, StateError

from .event import DIRECTIONS, Event, EventFunction, PureFunction, UserFunction, event_names


def function_events(events: Sequence[Event], *, batch_dims: int) -> list[EventFunction]:
    """The events of a plain right-hand side.

    Args:
        events: conditions and resets are functions.
        batch_dims: 0, one system with scalar t; 1, independent samples.

    Raises:
        OptionError: an event is declared as text, and there are no fields to speak of.
    """
    functions = []
    for name, event in zip(event_names(events), events, strict=True):
        if callable(event.condition) and isinstance(event.reset, Mapping):
            raise OptionError(
                f"the reset of event {name!r} is a dict, but the right-hand side is a plain function without named "
                "fields; write reset=lambda t, y: y_new, a function that returns the whole new state"
            )
        if not callable(event.condition) or not (event.reset is None or callable(event.reset)):
            raise OptionError(
                f"event {name!r} is declared as text, but the right-hand side is a plain function without named fields;"
                " write fs.Event(lambda t, y: y[..., 0] - 1, reset=lambda t, y: ...)"
            )
        functions.append(event_function(name, event, batch_dims))
    return functions


def event_function(name: str, event: Event, batch_dims: int) -> EventFunction:
    """An event whose condition and reset, if any, are functions of (t, y)."""
    condition, reset = event.condition, event.reset
    return EventFunction(
        name=name,
        condition=user_condition(name, condition, batch_dims),  # type: ignore[arg-type]  # a function: see the caller
        direction=DIRECTIONS[event.direction],
        terminal=event.terminal,
        reset=None if reset is None else user_reset(name, reset, batch_dims),  # type: ignore[arg-type]  # likewise
        max_events=event.max_events,
        selectable=False,
    )


def user_condition(name: str, function: UserFunction, batch_dims: int) -> PureFunction:
    """g(parameters, t (P,), y (P, *state)) -> (P,) from g(t, y)."""

    def condition(parameters: Sequence[Tensor], t: Tensor, y: Tensor) -> Tensor:
        value = function(t, y) if batch_dims else function(t[0], y[0])
        expected = tuple(t.shape) if batch_dims else ()
        if not isinstance(value, Tensor):
            raise StateError(f"the condition of event {name!r} returned {type(value).__name__}, expected a tensor")
        fits = tuple(value.shape) == expected or (not batch_dims and value.numel() == 1)
        if not fits or value.is_complex() or value.dtype == torch.bool:
            raise StateError(
                f"the condition of event {name!r} returned shape {tuple(value.shape)} and dtype {value.dtype}, "
                f"expected real {expected}, one number per sample; pick an entry, y[..., 0], or reduce, y.amax(-1)"
            )
        return value.reshape(t.shape)

    return condition


def user_reset(name: str, function: UserFunction, batch_dims: int) -> PureFunction:
    """(parameters, t (P,), y (P, *state)) -> (P, *state) from (t, y) -> y_new."""

    def reset(parameters: Sequence[Tensor], t: Tensor, y: Tensor) -> Tensor:
        y = y.clone()  # the function may write in place; the state before the event is in the log
        if batch_dims:
            real = y.real.dtype if y.is_complex() else y.dtype
            new, expected = function(t.to(real).reshape(-1, *[1] * (y.dim() - 1)), y), y
        else:
            new, expected = function(t[0], y[0]), y[0]
        if not isinstance(new, Tensor):
            raise StateError(f"the reset of event {name!r} returned {type(new).__name__}, expected a tensor like y")
        if new.shape != expected.shape or new.dtype != expected.dtype:
            raise StateError(
                f"the reset of event {name!r} returned shape {tuple(new.shape)} and dtype {new.dtype}, expected those "
                f"of y, {tuple(expected.shape)} and {expected.dtype}; return the whole new state"
            )
        return new if batch_dims else new.unsqueeze(0)

    return reset
