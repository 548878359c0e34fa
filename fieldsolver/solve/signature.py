"""Whether a plain function can be called as f(t, y, *args)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from fieldsolver.errors import OptionError


def checked_args(args: Any) -> tuple[Any, ...]:
    """The further arguments of f; raises `OptionError` for what is no sequence."""
    if not isinstance(args, Sequence) or isinstance(args, str):
        raise OptionError(
            f"args is a tuple of further arguments of f, got {type(args).__name__}; a single one is args=(value,)"
        )
    return tuple(args)


def with_signature_checked(call: Callable[..., Any], f: Callable[..., Any], args: Sequence[Any]) -> Callable[..., Any]:
    """`call` itself where f can take (t, y, *args), else `call` with a sentence for its TypeError.

    A signature may be wrong (a decorator that adds an argument, hooks of a module), so the call is tried first; reading
    the signature takes as long as an evaluation of a small network.
    """

    def tried(*values: Any) -> Any:
        try:
            return call(*values)
        except TypeError as error:
            _refuse_other_signatures(error, f, args)
            raise

    return tried


def _refuse_other_signatures(error: TypeError, f: Callable[..., Any], args: Sequence[Any]) -> None:
    """Raise an `OptionError` if f cannot take (t, y, *args)."""
    signature = _signature(f)
    if signature is None or _binds(signature, 2 + len(args)):
        return
    name = type(f).__name__ if isinstance(f, nn.Module) else getattr(f, "__name__", type(f).__name__)
    found = f"{name}.forward{signature}" if isinstance(f, nn.Module) else f"{name}{signature}"
    given = f"(t, y, *args), with {len(args)} value(s) in args=" if args else "(t, y)"
    raise OptionError(f"f must take {given}: got {found}; wrap it, as in lambda t, y: f(y)") from error


def _signature(f: Callable[..., Any]) -> inspect.Signature | None:
    """None for functions that hide it, as some written in C do."""
    try:
        return inspect.signature(f.forward if isinstance(f, nn.Module) else f)
    except (TypeError, ValueError):
        return None


def _binds(signature: inspect.Signature, arguments: int) -> bool:
    try:
        signature.bind(*[None] * arguments)
    except TypeError:
        return False
    return True
