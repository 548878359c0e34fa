"""Events of a solve: the declared ones and those given with it, and their log with the user's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.events import Event, EventFunction, function_events
from fieldsolver.errors import OptionError
from fieldsolver.stepping.events import EventLog

from .problem import Problem


def events_of(problem: Problem, events: Sequence[Event]) -> list[EventFunction]:
    """Those of the equation, if there is one, and `events` behind them.

    Raises:
        OptionError, EquationError: an event cannot be; one sentence says what to type instead.
    """
    if problem.equation is not None:
        return problem.equation.event_functions(events)
    return function_events(events, batch_dims=len(problem.batch_shape))


def labelled(log: EventLog | None, equation: FieldEquation | None) -> EventLog | None:
    """The log with the fields of the equation by name."""
    if log is None or equation is None:
        return log
    axes = {
        name: [*([f"component_{name}"] if size > 1 else []), *equation.axes_of(name)]
        for name, (_, size) in equation.layout.fields.items()
    }
    return log.named(equation.unpack, axes)


def refuse_events(f: Any, what: str) -> None:
    """Refuse an equation whose events would be passed over in silence."""
    if isinstance(f, FieldEquation) and f.events:
        names = ", ".join(event.name for event in f.events)
        raise OptionError(
            f"{what} does not look for events, and the equation has {names}; declare it without, or solve it"
        )
