"""Arguments of this room's functions: each check returns the value in its plain type, or raises one sentence."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from fieldsolver.errors import OptionError, listing, nearest

LONGEST = 80
"""Letters of a value that a sentence quotes."""


def shown(value: Any) -> str:
    """A value in a sentence: on one line, and not too long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def whole_number(name: str, value: Any, least: int) -> int:
    """An integer from `least` on."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < least:
        raise OptionError(f"{name} is a whole number from {least} on, got {shown(value)}")
    return int(value)


def real_number(name: str, value: Any, what: str) -> float:
    """A number from 0 on, infinity included; `what` says what it is."""
    good = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool) and value >= 0
    if not good:  # nan is not >= 0
        raise OptionError(f"{name} is {what}, got {shown(value)}")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def one_of(name: str, value: Any, known: Iterable[str]) -> str:
    """One of some names."""
    if not isinstance(value, str) or value not in known:
        raise OptionError(f"{name} is one of {listing(known)}, got {shown(value)}{nearest(str(value), known)}")
    return value


def yes_or_no(name: str, value: Any) -> bool:
    """True or False, nothing that only counts as one of them."""
    if not isinstance(value, (bool, np.bool_)):
        raise OptionError(f"{name} is True or False, got {shown(value)}")
    return bool(value)


def entries_of(name: str, values: Any) -> list[Any]:
    """The entries of a list, array or tensor of one dimension, as Python keeps them."""
    if hasattr(values, "detach"):  # a tensor, of any dtype
        values = values.detach().cpu()
        shape = tuple(values.shape)
        if len(shape) != 1:
            raise OptionError(f"{name} needs the shape (n,), got a tensor of shape {shape}")
        return list(values.tolist())
    if hasattr(values, "__array__"):
        values = np.asarray(values)
        if values.ndim != 1:
            raise OptionError(f"{name} needs the shape (n,), got an array of shape {values.shape}")
        return list(values.tolist())
    if isinstance(values, (str, bytes, bytearray, dict, set, frozenset)) or not isinstance(values, Iterable):
        raise OptionError(f"{name} is a list or an array of numbers in their order, got {shown(values)}")
    return list(values)
