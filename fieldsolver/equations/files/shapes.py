"""Shapes of values in an equation file: one description from which the checks and the JSON schema both follow."""

from __future__ import annotations

import difflib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fieldsolver.errors import listing, nearest

from .limits import MAX_ENTRIES

Keys = tuple[str, ...]
"""The place of a value: names of the tables and the key, outermost first."""

Definitions = dict[str, Any]
"""Parts of a JSON schema that have a name."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with the structure of a file.

    Attributes:
        keys: the place; the table itself when something is missing in it.
        table: the table that the sentence is about.
        message: the rest of the sentence.
        spare: the fault is a key that means nothing, and nothing is missing without it.
    """

    keys: Keys
    table: Keys
    message: str
    spare: bool = False

    def __str__(self) -> str:
        return f"{place(self.table)} {self.message}"


def place(keys: Keys) -> str:
    """How a sentence names a table: ``[boundary] u x-``."""
    return " ".join([f"[{keys[0]}]", *keys[1:]]) if keys else "the top level"


def shown(value: Any) -> str:
    """A value in a sentence, not longer than the sentence."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


class Shape(ABC):
    """What a value may look like."""

    @abstractmethod
    def faults(self, value: Any, keys: Keys) -> Iterator[Fault]:
        """Everything that is wrong with a value at a place."""

    @abstractmethod
    def schema(self, definitions: Definitions) -> dict[str, Any]:
        """The same as JSON schema; shapes with a name go into `definitions` and are referred to."""


@dataclass(frozen=True)
class Leaf(Shape):
    """A value that is judged as a whole.

    Attributes:
        expected: what it should be, in words.
        test: whether a value is that.
        content: the same as JSON schema.
    """

    expected: str
    test: Callable[[Any], bool]
    content: Mapping[str, Any]

    def faults(self, value: Any, keys: Keys) -> Iterator[Fault]:
        if not self.test(value):
            yield wrong(keys, self.expected, value)

    def schema(self, definitions: Definitions) -> dict[str, Any]:
        return dict(self.content)


@dataclass(frozen=True)
class Key:
    """One entry of a table: its shape, its description, whether it must be there, and what it is without it."""

    shape: Shape
    description: str
    required: bool = False
    default: Any = None
    examples: tuple[Any, ...] = ()

    def schema(self, definitions: Definitions) -> dict[str, Any]:
        """The shape's schema with the words for the reader."""
        extra: dict[str, Any] = {"description": self.description}
        if self.default is not None:
            extra["default"] = self.default
        if self.examples:
            extra["examples"] = list(self.examples)
        return self.shape.schema(definitions) | extra


@dataclass(frozen=True)
class Table(Shape):
    """A table with known keys, and perhaps entries whose names are the user's.

    Attributes:
        keys: the known keys.
        others: shape of the entries under other names, or None where there are none.
        names: pattern of those names, and what they are in words.
        one_of: keys of which exactly one is there.
        not_both: keys of which at most one is there.
        known: what to suggest for unknown keys besides `keys`.
    """

    keys: Mapping[str, Key] = field(default_factory=dict)
    others: Key | None = None
    names: tuple[str, str] = ("", "")
    one_of: tuple[str, ...] = ()
    not_both: tuple[str, ...] = ()
    known: tuple[str, ...] = ()

    def faults(self, value: Any, keys: Keys) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield wrong(keys, "a table", value)
            return
        unknown = [name for name in value if self._key(name) is None]
        misspelt = _misspelt(unknown, self._lacking(value))
        for name in unknown:
            yield self._unknown(name, keys, spare=name not in misspelt)
        if self.others is not None and len(value) > MAX_ENTRIES:
            yield Fault(keys, keys, f"has {len(value)} entries; at most {MAX_ENTRIES} are allowed")
            return
        yield from self._entries(value, keys, tables=False)
        yield from self._incomplete(value, keys, set(misspelt.values()))
        yield from self._entries(value, keys, tables=True)

    def _entries(self, value: Mapping[str, Any], keys: Keys, *, tables: bool) -> Iterator[Fault]:
        for name, entry in value.items():
            key = self._key(name)
            if key is not None and isinstance(entry, dict) == tables:
                yield from key.shape.faults(entry, (*keys, name))

    def _key(self, name: str) -> Key | None:
        if name in self.keys:
            return self.keys[name]
        return self.others if self.others is not None and re.search(self.names[0], name) else None

    def _lacking(self, value: Mapping[str, Any]) -> list[str]:
        required = [name for name, key in self.keys.items() if key.required and name not in value]
        return required + ([] if any(name in value for name in self.one_of) else list(self.one_of))

    def _unknown(self, name: str, keys: Keys, *, spare: bool) -> Fault:
        known = [*self.keys, *self.known]
        if self.others is not None:
            message = f"has the key {name!r}, which is not {self.names[1]}"
        else:
            message = f"does not know the key {name!r}; known: {listing(known)}{nearest(name, known)}"
        return Fault((*keys, name), keys, message, spare)

    def _incomplete(self, value: Mapping[str, Any], keys: Keys, misspelt: set[str]) -> Iterator[Fault]:
        for name, key in self.keys.items():
            if key.required and name not in value and name not in misspelt:
                whole = isinstance(key.shape, Table) and not keys
                yield Fault(keys, keys, f"has no [{name}] table" if whole else f"lacks {name!r}{_such_as(key)}")
        given = [name for name in self.one_of if name in value]
        if self.one_of and len(given) != 1 and not misspelt & set(self.one_of):
            yield Fault(keys, keys, f"needs exactly one of {listing(self.one_of)}, got {listing(given)}")
        given = [name for name in self.not_both if name in value]
        if len(given) > 1:
            yield Fault(keys, keys, f"has {' and '.join(given)}; give one of them")

    def schema(self, definitions: Definitions) -> dict[str, Any]:
        content: dict[str, Any] = {"type": "object"}
        if self.keys:
            content["properties"] = {name: key.schema(definitions) for name, key in self.keys.items()}
        if self.others is not None:
            pattern = self.names[0]
            for name in self.keys:  # a pattern would apply to known keys too
                pattern = f"^(?!{re.escape(name)}$){pattern.removeprefix('^')}"
            content["patternProperties"] = {pattern: self.others.schema(definitions)}
            content["maxProperties"] = MAX_ENTRIES
        content["additionalProperties"] = False
        if required := [name for name, key in self.keys.items() if key.required]:
            content["required"] = required
        if self.one_of:
            content["oneOf"] = [{"required": [name]} for name in self.one_of]
        if self.not_both:
            content["not"] = {"required": list(self.not_both)}
        return content


@dataclass(frozen=True)
class Choice(Shape):
    """One of several shapes; a table is told from the others by a key in it.

    Attributes:
        expected: what it should be, in words.
        plain: the shapes that are no tables.
        tables: the tables, by a key that only they have.
        rest: the shape of tables in which none of those keys is there.
        name: name in the JSON schema; empty for none.
    """

    expected: str
    plain: tuple[Shape, ...]
    tables: Mapping[str, Table] = field(default_factory=dict)
    rest: Shape | None = None
    name: str = ""

    def faults(self, value: Any, keys: Keys) -> Iterator[Fault]:
        if isinstance(value, dict) and (self.tables or self.rest):
            yield from self._table_faults(value, keys)
        elif not any(not list(shape.faults(value, keys)) for shape in self.plain):
            yield wrong(keys, self.expected, value)

    def _table_faults(self, value: dict[str, Any], keys: Keys) -> Iterator[Fault]:
        for key, table in self.tables.items():
            if key in value:
                yield from table.faults(value, keys)
                return
        if self.rest is not None:
            yield from self.rest.faults(value, keys)
            return
        known = list(dict.fromkeys(name for table in self.tables.values() for name in table.keys))
        unknown = [name for name in value if name not in known]
        misspelt = _misspelt(unknown, list(self.tables))
        for name in unknown:
            yield Table(known=tuple(known))._unknown(name, keys, spare=False)
        if not misspelt:
            yield Fault(keys, keys, f"lacks {' or '.join(map(repr, self.tables))}")

    def schema(self, definitions: Definitions) -> dict[str, Any]:
        if self.name and self.name in definitions:
            return {"$ref": f"#/$defs/{self.name}"}
        tables = list({id(table): table for table in [*self.tables.values(), self.rest] if table is not None}.values())
        content = {"anyOf": [shape.schema(definitions) for shape in (*self.plain, *tables)]}
        if not self.name:
            return content
        definitions[self.name] = content
        return {"$ref": f"#/$defs/{self.name}"}


@dataclass(frozen=True)
class Kinds(Shape):
    """A table whose entry ``kind`` says which keys it has."""

    tables: Mapping[str, Table]

    def faults(self, value: Any, keys: Keys) -> Iterator[Fault]:
        kind = value.get("kind") if isinstance(value, dict) else None
        if not isinstance(value, dict):
            yield wrong(keys, f"a table such as {{ kind = {next(iter(self.tables))!r}, ... }}", value)
        elif kind is None:
            yield Fault(keys, keys, f"lacks 'kind' (one of {listing(self.tables)})")
        elif not isinstance(kind, str) or kind not in self.tables:
            hint = nearest(str(kind), self.tables)
            yield Fault((*keys, "kind"), keys, f"asks for the kind {kind!r}; known: {listing(self.tables)}{hint}")
        else:
            yield from self.tables[kind].faults(value, keys)

    def schema(self, definitions: Definitions) -> dict[str, Any]:
        return {"oneOf": [table.schema(definitions) for table in self.tables.values()]}


def wrong(keys: Keys, expected: str, value: Any) -> Fault:
    """The fault of a value that is not what is expected at its place."""
    return Fault(keys, keys[:-1], f"needs {expected} for {keys[-1]!r}, got {shown(value)}")


def _misspelt(unknown: Sequence[str], lacking: Sequence[str]) -> dict[str, str]:
    """Unknown keys that are probably meant to be one that is lacking, and that one."""
    close = {name: difflib.get_close_matches(name, lacking, n=1) for name in unknown}
    return {name: found[0] for name, found in close.items() if found}


def _such_as(key: Key) -> str:
    if key.examples:
        return f", such as {shown(key.examples[0])}"
    return f" ({key.shape.expected})" if isinstance(key.shape, Leaf) else ""
