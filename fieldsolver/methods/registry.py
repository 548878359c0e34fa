"""Methods by name: a new method is one file and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fieldsolver.errors import OptionError, listing, nearest

from .euler import EULER
from .heun import HEUN
from .protocol import Method
from .rk4 import RK4
from .tsit5 import TSIT5

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "euler": EULER,
        "heun": HEUN,
        "rk4": RK4,
        "tsit5": TSIT5,
    }
)


def get_method(name: str) -> Method:
    """Look a method up.

    Raises:
        OptionError: no method has this name; the message lists those that exist.
    """
    if name not in METHODS:
        raise OptionError(f"unknown method {name!r}; known: {listing(METHODS)}{nearest(name, METHODS)}")
    return METHODS[name]


def adaptive_methods() -> tuple[str, ...]:
    """Names of the methods with an error estimate, which can choose their own steps."""
    return tuple(name for name, method in METHODS.items() if method.error_order is not None)
