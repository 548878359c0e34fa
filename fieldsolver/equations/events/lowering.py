"""Declared events as pure functions of parameters, time and state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..graph import Node
from ..lowering import Lowering
from .declaration import DeclaredEvent, field_of
from .event import DIRECTIONS, EventFunction, PureFunction
from .user_functions import user_condition, user_reset

if TYPE_CHECKING:
    from ..field_equation import FieldEquation


def lower_events(equation: FieldEquation, events: Sequence[DeclaredEvent]) -> list[EventFunction]:
    """The events for the time loop; they take the parameters of ``equation.pure()`` and states (P, C, *grid)."""
    return [_lower(equation, declared) for declared in events]


def _lower(equation: FieldEquation, declared: DeclaredEvent) -> EventFunction:
    name, event, condition, reset = declared.name, declared.event, declared.condition, declared.reset
    return EventFunction(
        name=name,
        condition=_condition(equation, condition)
        if isinstance(condition, Node)
        else user_condition(name, condition, batch_dims=1),
        direction=DIRECTIONS[event.direction],
        terminal=event.terminal,
        reset=_reset(equation, reset)
        if reset is None or isinstance(reset, Mapping)
        else user_reset(name, reset, batch_dims=1),
        max_events=event.max_events,
        selectable=event.is_declared,
    )


def _condition(equation: FieldEquation, node: Node) -> PureFunction:
    lowering = Lowering(equation.layout)
    own = lowering.of(field_of(node, list(equation.statements)))
    run = equation.pure_values(lowering.finish([own.compile(node)]))

    def condition(parameters: Sequence[Tensor], t: Tensor, y: Tensor) -> Tensor:
        (value,) = run(parameters, t, y)
        value = torch.as_tensor(value, device=y.device).reshape(-1)
        return value.expand(t.shape) if value.numel() == 1 else value

    return condition


def _reset(equation: FieldEquation, reset: Mapping[str, Node] | None) -> PureFunction | None:
    if reset is None:
        return None
    rows = {name: reset.get(name, equation.state_symbol(name)) for name in equation.fields}
    return equation.pure_state(rows)
