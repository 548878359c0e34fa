"""Where a key stands in the text of a TOML file; the parser of the standard library does not say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from .shapes import Keys
from .table_lists import nth

_KEY = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)"""
_PATH = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"^\s*(?P<open>\[\[?)\s*(?P<path>{_PATH})\s*\]")
_ENTRY = re.compile(rf"^\s*(?P<path>{_PATH})\s*=")
_TRIPLE = re.compile(r'"""|\'\'\'')


def line_of(text: str, keys: Keys) -> int | None:
    """The line, counted from 1, on which the entry or the nearest table around it begins; None when none is found."""
    best: tuple[int, int | None] = (0, None)
    for number, found in _all_places(text):
        if len(found) > best[0] and found == keys[: len(found)]:
            best = len(found), number
    return best[1]


def line_with(text: str, piece: str) -> int | None:
    """The first line that contains a piece of text."""
    return next((number for number, line in enumerate(text.split("\n"), 1) if piece and piece in line), None)


@lru_cache(maxsize=1)
def _all_places(text: str) -> tuple[tuple[int, Keys], ...]:
    return tuple(_places(text))


def _places(text: str) -> Iterator[tuple[int, Keys]]:
    """Every table header and entry with its line; entries of inline tables stand on the line of the table."""
    table: Keys = ()
    closing, seen = "", dict[Keys, int]()
    for number, line in enumerate(text.split("\n"), 1):
        if closing:  # inside a text of several lines
            closing = "" if closing in line else closing
            continue
        if header := _HEADER.match(line):
            path = _split(header["path"])
            if header["open"] == "[[":
                seen[path] = seen.get(path, 0) + 1
                yield number, path
            table = _numbered(path, seen)
            yield number, table
        elif entry := _ENTRY.match(line):
            yield number, (*table, *_split(entry["path"]))
        quotes = _TRIPLE.findall(line)
        closing = quotes[0] if len(quotes) % 2 else ""


def _numbered(path: Keys, seen: Mapping[Keys, int]) -> Keys:
    """The place of a header: behind the name of a list stands the number of its last table so far."""
    place: Keys = ()
    for depth, name in enumerate(path, 1):
        place += (name, nth(seen[path[:depth]] - 1)) if path[:depth] in seen else (name,)
    return place


def _split(path: str) -> Keys:
    return tuple(key[1:-1] if key[0] in "\"'" else key for key in re.findall(_KEY, path))
