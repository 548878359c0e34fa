"""Configurations with names, and changes to them that are checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from fieldsolver.errors import OptionError, listing, nearest

Config = TypeVar("Config")


@dataclass(frozen=True)
class Preset:
    """A named configuration.

    Attributes:
        about: one line: what it is for, and where its numbers come from.
        changes: what differs from the defaults of the configuration.
    """

    about: str
    changes: Mapping[str, Any]


def configured(kind: type[Config], presets: Mapping[str, Preset], preset: str | None = None, **changes: Any) -> Config:
    """A configuration of this kind: its defaults, then the preset, then single changes.

    Raises:
        OptionError: no such preset, no such option, or a value that the configuration refuses.
    """
    if preset is not None and preset not in presets:
        raise OptionError(f"there is no preset {preset!r}; known: {listing(presets)}{nearest(preset, presets)}")
    known = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]  # every kind is a dataclass
    for name in changes:
        if name not in known:
            raise OptionError(f"there is no option {name!r}; known: {listing(known)}{nearest(name, known)}")
    settled = dict(presets[preset].changes) if preset is not None else {}
    return kind(**{**settled, **changes})
