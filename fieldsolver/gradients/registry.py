"""Gradient modes by name: a new mode is one file and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from torch import Tensor

from fieldsolver.errors import OptionError, listing, nearest
from fieldsolver.methods import Method
from fieldsolver.stepping import Trajectory, VectorField

from .backsolve import Backsolve
from .checkpointed import Checkpointed
from .direct import Direct
from .implicit import Implicit
from .mode import GradientMode
from .none import NoGradient
from .quadrature import Quadrature
from .reversible import Reversible

_MODES: tuple[GradientMode, ...] = (
    Backsolve(),
    Checkpointed(),
    Direct(),
    Implicit(),
    NoGradient(),
    Quadrature(),
    Reversible(),
)

GRADIENTS: Mapping[str, GradientMode] = MappingProxyType({mode.name: mode for mode in _MODES})


def get_gradient(mode: str | GradientMode) -> GradientMode:
    """The mode of that name with its default options, or the mode itself.

    Raises:
        OptionError: no mode has this name, or something else was given.
    """
    if isinstance(mode, str):
        if mode not in GRADIENTS:
            raise OptionError(f"unknown gradient {mode!r}; known: {listing(GRADIENTS)}{nearest(mode, GRADIENTS)}")
        return GRADIENTS[mode]
    if isinstance(mode, type) or not all(hasattr(mode, part) for part in ("name", "check", "solve")):
        raise OptionError(
            f"gradient is one of {listing(GRADIENTS)}, or a mode such as fs.gradients.Checkpointed(states=16), "
            f"got {mode!r}"
        )
    return mode


def solve_with_gradient(
    mode: str | GradientMode, field: VectorField, method: Method, y0: Tensor, t0: float, t1: float, **options: Any
) -> Trajectory:
    """Integrate in a gradient mode; `saved` and `y_end` carry the graph.

    Args:
        mode: one of `GRADIENTS`, or an object.
        field: the right-hand side.
        method: the scheme.
        y0: (B, *state), initial states.
        t0: start.
        t1: end.
        **options: those of `GradientMode.solve`.

    Raises:
        OptionError: no mode has this name, or it cannot differentiate this method.
    """
    chosen = get_gradient(mode)
    chosen.check(method, None, t1 - t0)
    return chosen.solve(field, method, y0, t0, t1, **options)
