"""The structure of ``[[events]]``."""

from __future__ import annotations

from ..events import DIRECTIONS
from .leaves import STATE_NAME, flag, integer, number_or_text, text, word
from .limits import MAX_EVENTS
from .shapes import Key, Table
from .table_lists import TableList


def event_tables() -> TableList:
    """What happens where a condition crosses zero, a table per event; the keys are the arguments of `Event`."""
    value = Key(number_or_text('a number or an expression such as "-e*v"', "reset"),
                "A number, or an expression in the state before the event, the parameters and t.")  # fmt: skip
    table = Table(
        {
            "condition": Key(text(), "It happens where this expression crosses zero: in fields, parameters and t, with "
                             "one real value (on a grid mean(...) or integral(...)).", required=True,
                             examples=("v - 1",)),
            "direction": Key(word(*DIRECTIONS), "Whether it must rise or fall through zero.", default="both"),
            "reset": Key(Table(others=value, names=STATE_NAME), 'The state right after it: new values by field, or '
                         'by velocity "du/dt"; the others stay.', examples=({"v": "0", "w": "w + b"},)),
            "terminal": Key(flag(), "Whether the solution ends there.", default=False),
            "name": Key(text(), "For the log; without it the text of the condition.", examples=("spike",)),
            "max_events": Key(integer(1), "A sample in which an event with a reset happens more often ends there.",
                              default=10_000),
        }
    )  # fmt: skip
    return TableList(table, MAX_EVENTS, "[[events]]")
