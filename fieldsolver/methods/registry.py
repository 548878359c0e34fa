"""Methods by name: a new method is one file and one line here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from fieldsolver.errors import OptionError, listing, nearest

from .protocol import Method

NAMES = (
    "euler",
    "heun",
    "midpoint",
    "ralston",
    "rk4",
    "rk38",
    "bosh3",
    "dopri5",
    "tsit5",
    "dop853",
    "vern7",
    "vern9",
    "ssprk33",
    "ssprk43",
    "ssprk54",
    "ssprk104",
    "rdpk3spfsal49",
    "ab2",
    "ab3",
    "ab4",
    "abm",
    "reversible_heun",
    "reversible_bosh3",
    "reversible_rk4",
    "reversible_tsit5",
)


class _Methods(Mapping[str, Method]):
    """Name -> method. The file of a method, with its hundreds of exact fractions, is read when it is first asked for.

    The method called name is the constant NAME of the file name.py.
    """

    def __init__(self) -> None:
        self._read: dict[str, Method] = {}

    def __getitem__(self, name: str) -> Method:
        if name not in NAMES:
            raise KeyError(name)
        if name not in self._read:
            self._read[name] = getattr(import_module(f".{name}", __package__), name.upper())
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in NAMES

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)


METHODS: Mapping[str, Method] = _Methods()


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
