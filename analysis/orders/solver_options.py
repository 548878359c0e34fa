"""Refuse what a study cannot pass on to `solve`, and references that are not numbers, before anything is run."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor

from fieldsolver.errors import OptionError, StateError, listing
from fieldsolver.solve import solve

OWN = ("f", "y0", "t_span", "method", "progress", "save_at")
"""Arguments of `solve` that every study sets itself."""


def checked_options(options: Mapping[str, Any], ladder: str, taken: Collection[str] = ()) -> None:
    """Refuse unknown options, and those that the study chooses itself.

    Args:
        options: for `fieldsolver.solve`.
        ladder: the argument that holds the sizes, ``"dts"`` or ``"rtols"``.
        taken: further arguments of `solve` that the study sets.
    """
    chosen = {*OWN, *taken}
    for name in options:
        if name in chosen:
            raise OptionError(f"{name}= is chosen by the study, level by level; give {ladder}= and leave it out")
    known = [name for name in inspect.signature(solve).parameters if name not in chosen]
    unknown = [name for name in options if name not in known]
    if unknown:
        raise OptionError(f"no option {unknown[0]!r}; fieldsolver.solve takes {listing(known)}")


def checked_exact(value: Tensor) -> Tensor:
    """The exact state, or a `StateError` where it is NaN or infinite."""
    if not bool(value.isfinite().all()):
        bad = int((~value.isfinite()).sum())
        raise StateError(
            f"exact= is not finite in {bad} of {value.numel()} entries; it must be numbers to compare with"
        )
    return value
