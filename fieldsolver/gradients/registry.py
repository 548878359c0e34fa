"""Gradient modes by name: a new mode is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from torch import Tensor

from fieldsolver.errors import OptionError, listing, nearest
from fieldsolver.methods import Method
from fieldsolver.stepping import Trajectory, VectorField

from .checkpointed import checkpointed
from .direct import direct
from .none import none

GradientMode = Callable[..., Trajectory]

GRADIENTS: Mapping[str, GradientMode] = MappingProxyType(
    {
        "checkpointed": checkpointed,
        "direct": direct,
        "none": none,
    }
)


def solve_with_gradient(
    name: str, field: VectorField, method: Method, y0: Tensor, t0: float, t1: float, **options: Any
) -> Trajectory:
    """Integrate in the named gradient mode; `saved` and `y_end` carry the graph.

    Args:
        name: one of `GRADIENTS`.
        field: the right-hand side.
        method: the scheme.
        y0: (B, *state), initial states.
        t0: start.
        t1: end.
        **options: those of `integrate`, and `checkpoints` for the mode of that name.

    Raises:
        OptionError: no mode has this name, or an option belongs to another mode.
    """
    if name not in GRADIENTS:
        raise OptionError(f"unknown gradient {name!r}; known: {listing(GRADIENTS)}{nearest(name, GRADIENTS)}")
    if name != "checkpointed" and "checkpoints" in options:
        raise OptionError(f"checkpoints belongs to gradient='checkpointed', got gradient={name!r}; leave it out")
    return GRADIENTS[name](field, method, y0, t0, t1, **options)
