"""Lists of tables, ``[[name]]`` in TOML: their shape, and how their tables are called in places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .shapes import Definitions, Fault, Keys, Shape, Table, wrong


@dataclass(frozen=True)
class TableList(Shape):
    """Tables of one shape, in order.

    Attributes:
        table: the shape of each.
        most: how many there may be.
        header: how each begins, for sentences.
    """

    table: Table
    most: int
    header: str

    def faults(self, value: Any, keys: Keys) -> Iterator[Fault]:
        if not isinstance(value, list):
            yield wrong(keys, f"tables that each begin with {self.header}", value)
        elif len(value) > self.most:
            yield Fault(keys, keys, f"has {len(value)} tables; at most {self.most} are allowed")
        else:
            for place, entry in enumerate(value):
                yield from self.table.faults(entry, (*keys, nth(place)))

    def schema(self, definitions: Definitions) -> dict[str, Any]:
        return {"type": "array", "maxItems": self.most, "items": self.table.schema(definitions)}


def nth(place: int) -> str:
    """What the table at a place (from 0) is called: ``"#1"`` is the first."""
    return f"#{place + 1}"


def entry_of(content: Any, key: str) -> Any:
    """The entry of a table, or the table of a list, that a key of a place means."""
    return content[int(key[1:]) - 1] if isinstance(content, list) else content[key]
