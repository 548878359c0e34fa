"""A variant has an equation of its own, so the switches of the field's equation would do nothing."""

from __future__ import annotations

import dataclasses
from typing import Any

from fieldsolver.errors import OptionError, listing

FIELD_ONLY = (
    "geometry", "boundary", "diffusion", "diffusivity", "shifts", "transport", "speed", "reaction", "expansion", "gain",
    "slopes", "norm", "limit", "margin", "strength", "decay", "input", "stopping", "step", "method", "tolerance",
    "gradient", "states", "ponder", "window",
)  # fmt: skip


def refuse_field_options(config: Any) -> None:
    """Nothing for ``variant="field"``; otherwise every switch of the field's equation has to have its default.

    Args:
        config: a frozen dataclass with `variant`.

    Raises:
        OptionError: names the switches that the variant would ignore.
    """
    if config.variant == "field":
        return
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    ignored = [name for name in FIELD_ONLY if name in defaults and getattr(config, name) != defaults[name]]
    if ignored:
        raise OptionError(
            f"variant={config.variant!r} has its own equation and would ignore {listing(ignored)}; leave them out, or "
            "write variant='field'"
        )
