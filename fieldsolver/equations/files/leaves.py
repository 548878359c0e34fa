"""Plain values of equation files: numbers, texts, lists of them."""

from __future__ import annotations

import math
from typing import Any

from fieldsolver.errors import listing

from .shapes import Choice, Key, Leaf, Shape, Table

_FIRST, _LATER = r"[^\s\d!-/:-@\[-^`{-~]", r"[^\s!-/:-@\[-^`{-~]"  # everything but blanks and ASCII punctuation
_WORD = f"{_FIRST}{_LATER}*"
NAME = (f"^{_WORD}$", "a name")
STATE_NAME = (f"^({_WORD}|d{_WORD}/dt)$", "a field such as 'u' or a velocity such as 'du/dt'")
SIDE = (r"^[xyz][+\-]?$", "a side such as 'x', 'x-' or 'y+'")
FIELD_OR_SIDE = (rf"^({_WORD}|[xyz][+\-])$", "a field such as 'u' or a side such as 'x-'")


def is_number(value: Any) -> bool:
    """A finite real number that double precision can hold; booleans are none."""
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def number(*, above: float | None = None, least: float | None = None) -> Leaf:
    """A finite number; above one, or at least another."""
    if least is not None:
        content = {"type": "number", "minimum": least}
        return Leaf(f"a finite number, at least {least:g},", lambda value: is_number(value) and value >= least, content)
    if above is None:
        return Leaf("a finite number", is_number, {"type": "number"})
    content = {"type": "number", "exclusiveMinimum": above}
    return Leaf(f"a finite number above {above:g}", lambda value: is_number(value) and value > above, content)


def integer(least: int = 0, most: int = 2**63 - 1) -> Leaf:
    """An integer between two bounds."""

    def test(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most

    upto = "" if most == 2**63 - 1 else f" and at most {most}"
    return Leaf(f"an integer, at least {least}{upto},", test, {"type": "integer", "minimum": least, "maximum": most})


def text() -> Leaf:
    """Any text."""
    return Leaf("text", lambda value: isinstance(value, str), {"type": "string"})


def word(*known: Any) -> Leaf:
    """One of some texts or integers."""
    known_types = {type(value) for value in known}

    def test(value: Any) -> bool:
        return type(value) in known_types and value in known

    return Leaf(f"one of {listing(map(str, known))}", test, {"enum": list(known)})


def flag() -> Leaf:
    """True or false."""
    return Leaf("true or false", lambda value: isinstance(value, bool), {"type": "boolean"})


def list_of(item: Shape, expected: str, *, least: int = 0, most: int | None = None) -> Leaf:
    """A list whose items all have one shape; `item` has no name in the JSON schema."""

    def test(value: Any) -> bool:
        fits = isinstance(value, list) and least <= len(value) and (most is None or len(value) <= most)
        return fits and all(not list(item.faults(entry, ("",))) for entry in value)

    content: dict[str, Any] = {"type": "array", "items": item.schema({})}
    if least:
        content["minItems"] = least
    if most is not None:
        content["maxItems"] = most
    return Leaf(expected, test, content)


def names(expected: str = "a list of names") -> Leaf:
    """A list of texts, which may be empty."""
    return list_of(text(), expected)


COMPLEX = Table(
    {
        "re": Key(number(), "Real part.", required=True, examples=(0.0,)),
        "im": Key(number(), "Imaginary part.", required=True, examples=(1.0,)),
    }
)
"""A complex number, ``{ re = 0.0, im = 1.0 }``."""


def numbers(expected: str, least: int, most: int, *, complex_ok: bool = False) -> Leaf:
    """Numbers, complex ones perhaps, nested in lists between `least` and `most` deep; 0 is a number itself.

    The items of one list may be of different depth; what is made of them refuses that.
    """

    def test(value: Any, depth: int = 0) -> bool:
        if isinstance(value, list):
            return depth < most and bool(value) and all(test(item, depth + 1) for item in value)
        return depth >= least and (is_number(value) or (complex_ok and is_complex(value)))

    return Leaf(expected, test, _numbers_schema(0, least, most, complex_ok))


def _numbers_schema(depth: int, least: int, most: int, complex_ok: bool) -> dict[str, Any]:
    ways: list[dict[str, Any]] = []
    if depth >= least:
        ways += [{"type": "number"}, COMPLEX.schema({})] if complex_ok else [{"type": "number"}]
    if depth < most:
        ways.append({"type": "array", "minItems": 1, "items": _numbers_schema(depth + 1, least, most, complex_ok)})
    return ways[0] if len(ways) == 1 else {"anyOf": ways}


def is_complex(value: Any) -> bool:
    """Whether a value is a complex number, ``{ re = ..., im = ... }``."""
    return isinstance(value, dict) and not list(COMPLEX.faults(value, ("",)))


def number_or_text(expected: str, name: str) -> Choice:
    """A number, real or complex, or an expression."""
    return Choice(expected, (number(), text()), {"re": COMPLEX, "im": COMPLEX}, name=name)
