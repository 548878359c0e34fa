"""Options of a configuration as texts: ``dim=256`` to a value of the type that the field declares, and back."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from fieldsolver.errors import OptionError, listing, nearest

SWITCHES = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def parse_options(kind: type[Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """Values for the fields of the dataclass `kind`.

    Raises:
        OptionError: no such field, or a text that is no value of its type.
    """
    hints = get_type_hints(kind)
    known = [field.name for field in dataclasses.fields(kind)]
    values = {}
    for name, text in texts.items():
        if name not in known:
            raise OptionError(f"there is no option {name!r}; known: {listing(known)}{nearest(name, known)}")
        try:
            values[name] = _value(hints[name], text.strip())
        except ValueError:
            raise OptionError(f"{name} is {_words(hints[name])}, got {text!r}") from None
    return values


def split_options(texts: tuple[str, ...]) -> dict[str, str]:
    """``("dim=256",)`` to ``{"dim": "256"}``; raises `OptionError` without an equals sign."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise OptionError(f"an option of the model is written as name=value, got {text!r}")
        found[name.strip().replace("-", "_")] = value
    return found


def as_scalar(value: Any) -> str | bool | int | float:
    """A value as TOML takes it; `parse_options` reads it back."""
    if isinstance(value, (str, bool, int, float)):
        return value
    return "none" if value is None else ", ".join(str(part) for part in value)


def is_switch(kind: type[Any], name: str) -> bool:
    """Whether the field is on or off, so that its name alone says something."""
    return get_type_hints(kind).get(name) is bool


def _value(hint: Any, text: str) -> Any:
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _first(parts, text)
    if origin is Literal:
        return next((part for part in parts if str(part) == text), None) or _refuse()
    if origin in (tuple, list):
        return tuple(_value(parts[0], part.strip()) for part in text.split(",") if part.strip())
    if hint is type(None):
        return None if text.lower() == "none" else _refuse()
    if hint is bool:
        return SWITCHES[text.lower()] if text.lower() in SWITCHES else _refuse()
    return hint(text) if hint in (int, float, str) else text


def _first(hints: tuple[Any, ...], text: str) -> Any:
    """Of several types the strictest that takes the text."""
    strict = [type(None), bool, int, float]
    for hint in sorted(hints, key=lambda hint: strict.index(hint) if hint in strict else len(strict)):
        if hint is bool and text in ("0", "1"):
            continue
        try:
            return _value(hint, text)
        except ValueError:
            continue
    return _refuse()


def _refuse() -> Any:
    raise ValueError


def _words(hint: Any) -> str:
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_words(part) for part in parts)
    if origin is Literal:
        return "one of " + ", ".join(map(str, parts))
    if origin in (tuple, list):
        return "a list with commas"
    names = {bool: "true or false", int: "a whole number", float: "a number", type(None): "none"}
    return names.get(hint, "a text")
