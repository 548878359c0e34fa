"""torchdiffeq's method names, and the schemes that answer to them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

from fieldsolver.errors import OptionError, listing, nearest
from fieldsolver.methods import Method

ADAPTIVE: Mapping[str, str] = MappingProxyType(
    {
        "dopri8": "dopri8",
        "dopri5": "dopri5",
        "bosh3": "bosh3",
        "fehlberg2": "fehlberg2",
        "adaptive_heun": "heun",
    }
)
"""Names with chosen steps -> file in `fieldsolver.methods`."""

FIXED: Mapping[str, str] = MappingProxyType(
    {
        "euler": "euler",
        "midpoint": "midpoint",
        "heun2": "heun",
        "heun3": "heun3",
        "rk4": "rk38",  # torchdiffeq's rk4 is Kutta's 3/8 rule
    }
)
"""Names of one-step methods on a fixed grid -> file in `fieldsolver.methods`."""

ADAMS = ("explicit_adams", "implicit_adams", "fixed_adams")
SCIPY = "scipy_solver"
NAMES = (*ADAPTIVE, *FIXED, *ADAMS, SCIPY)

IMPLICIT = (
    "implicit_euler", "implicit_midpoint", "trapezoid", "radauIIA3", "gl4", "radauIIA5", "gl6", "sdirk2", "trbdf2",
)  # fmt: skip
"""Names that versions after 0.2.5 have."""


def check_method(name: object) -> str:
    """The name itself; None is dopri5.

    Raises:
        OptionError: no method has this name, or it is one of the implicit ones.
    """
    if name is None:
        return "dopri5"
    if name in IMPLICIT:
        raise OptionError(
            f"method {name!r} is implicit, and odeint has no stiff methods; use method='scipy_solver' with "
            "options={'solver': 'Radau'}"
        )
    if not isinstance(name, str) or name not in NAMES:
        hint = nearest(name, NAMES) if isinstance(name, str) else ""
        raise OptionError(f"unknown method {name!r}; known: {listing(NAMES)}{hint}")
    return name


def load(file: str) -> Method:
    """The method that a file of `fieldsolver.methods` defines."""
    method: Method = getattr(import_module(f"fieldsolver.methods.{file}"), file.upper())
    return method
