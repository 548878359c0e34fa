"""What a model predicts: the class of a text, or tokens at its places."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from fieldsolver.errors import OptionError, listing

CLASSES, NEXT_TOKEN, MASKED_TOKEN = "classes", "next_token", "masked_token"
PREDICTIONS = (CLASSES, NEXT_TOKEN, MASKED_TOKEN)


def prediction_of(config: Any, changes: Mapping[str, Any] | None = None) -> str:
    """What a model of this configuration predicts: its field or class attribute ``head``; without one, classes.

    Args:
        config: an instance, or the class for its default.
        changes: options that are not in it yet.

    Raises:
        OptionError: a head that is none of `PREDICTIONS`, or none where the configuration has no default.
    """
    chosen = changes or {}
    found = str(chosen["head"] if "head" in chosen else _head(config))
    if found not in PREDICTIONS:
        raise OptionError(f"the head of a text model is one of {listing(PREDICTIONS)}, got {found!r}")
    return found


def _head(config: Any) -> Any:
    """Of an instance its own; of a class the default of the field, since the attribute need not be that."""
    known = {field.name: field for field in dataclasses.fields(config)} if dataclasses.is_dataclass(config) else {}
    if not isinstance(config, type) or "head" not in known:
        return getattr(config, "head", CLASSES)
    field = known["head"]
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    if field.default is dataclasses.MISSING:
        raise OptionError(
            f"this model has no usual head; say which, one of {listing(PREDICTIONS)}: head={CLASSES} or so"
        )
    return field.default
