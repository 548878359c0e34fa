"""Errors that are also of the type which torchdiffeq raises, so that code that catches that type goes on working."""

from __future__ import annotations

from typing import Any

from fieldsolver.errors import OptionError, SolveFailed


class OdeintOptionError(OptionError, AssertionError):
    """An argument that torchdiffeq refuses by an assertion."""


class OdeintTypeError(OptionError, TypeError):
    """An argument that torchdiffeq refuses by a TypeError."""


class OdeintFailed(SolveFailed, AssertionError):
    """The integration ended early; torchdiffeq stops with an assertion.

    Attributes:
        solution: what `odeint` would have returned, NaN at the times that were not reached; None without any.
    """

    solution: Any

    def __init__(self, message: str, solution: Any = None) -> None:
        super().__init__(message, solution)
