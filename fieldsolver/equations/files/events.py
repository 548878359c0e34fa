"""``[[events]]``: what happens where a condition crosses zero."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fieldsolver.errors import OptionError

from ..events import Event, event_names
from .document import Document
from .shapes import Keys
from .table_lists import nth
from .values import plain_number

_FUNCTION = re.compile(r"\s*(lambda|def)\b")


def read_events(document: Document) -> tuple[Event, ...]:
    """The events as `FieldEquation` takes them; raises `FileFormatError` where one cannot be."""
    events: list[Event] = []
    for place, table in enumerate(document.tables("events")):
        try:
            events.append(_event(table))
            event_names(events)
        except OptionError as error:
            raise document.refuse(("events", nth(place)), f"{nth(place)}: {error}") from None
    return tuple(events)


def _event(table: Mapping[str, Any]) -> Event:
    if _FUNCTION.match(table["condition"]):
        raise OptionError(
            f"the condition {table['condition']!r} is a Python function, which a file cannot hold; write an expression "
            "such as 'v - 1', or declare the event in Python"
        )
    if "reset" not in table:
        return Event(**table)
    reset = {state: value if isinstance(value, str) else plain_number(value) for state, value in table["reset"].items()}
    return Event(**{**table, "reset": reset})


def event_texts(document: Document) -> list[Any]:
    """All that events compute, for a look at the names in it."""
    return [table.get(key) for table in document.tables("events") for key in ("condition", "reset")]


def place_of_event(document: Document, message: str) -> Keys | None:
    """The place of the entry that a sentence of the equation about an event means; None if it is about none."""
    named = {table.get("name") or " ".join(table["condition"].split()): nth(place)
             for place, table in enumerate(document.tables("events"))}  # fmt: skip
    for name, number in named.items():
        about = f"event {name!r}"
        if about not in message:
            continue
        state = re.search(rf"the reset of '([^']+)' by {re.escape(about)}", message)
        if state is not None:
            return ("events", number, "reset", state[1])
        part = "reset" if f"the reset of {about}" in message else "condition"
        return ("events", number, part)
    return None
