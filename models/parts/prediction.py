"""What a model predicts: the class of a text, or tokens at its places."""

from __future__ import annotations

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
        OptionError: a head that is none of `PREDICTIONS`.
    """
    found = str((changes or {}).get("head", getattr(config, "head", CLASSES)))
    if found not in PREDICTIONS:
        raise OptionError(f"the head of a text model is one of {listing(PREDICTIONS)}, got {found!r}")
    return found
