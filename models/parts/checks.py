"""What single options of a configuration may be; each refusal is one sentence."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from fieldsolver.errors import OptionError, listing, nearest


def check_choice(name: str, value: Any, known: Iterable[str]) -> None:
    """Raises `OptionError` unless `value` is one of the known names."""
    names = list(known)
    if value not in names:
        raise OptionError(f"{name} is one of {listing(names)}, got {value!r}{nearest(str(value), names)}")


def check_whole(name: str, value: Any, least: int) -> None:
    """Raises `OptionError` unless `value` is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise OptionError(f"{name} is a whole number of at least {least}, got {value!r}")


def check_share(name: str, value: Any) -> None:
    """Raises `OptionError` unless 0 <= value < 1."""
    check_between(name, value, 0.0, 1.0, "a share, at least 0 and below 1")


def check_between(name: str, value: Any, low: float, high: float, said: str) -> None:
    """Raises `OptionError` unless low <= value < high; `said` are these limits in words."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value < high:
        raise OptionError(f"{name} has to be {said}, got {value!r}")


def check_not_negative(name: str, value: Any) -> None:
    """Raises `OptionError` unless `value` is finite and at least 0."""
    check_between(name, value, 0.0, math.inf, "a finite number of at least 0")


def check_positive(name: str, value: Any) -> None:
    """Raises `OptionError` unless `value` is finite and above 0."""
    check_between(name, value, math.ulp(0.0), math.inf, "a positive number")
