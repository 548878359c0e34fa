"""Is f what it was? A backward pass that evaluates f again is right only if nothing but its arguments has changed."""

from __future__ import annotations

from fieldsolver.errors import OptionError
from fieldsolver.stepping import VectorField


def testimony(field: VectorField) -> tuple[object, ...]:
    """What the field's witness says now; nothing without one."""
    return () if field.witness is None else field.witness()


def refuse_written(field: VectorField, before: tuple[object, ...], mode: str) -> None:
    """Refuse a function that changes itself when it is evaluated.

    Args:
        field: the right-hand side.
        before: the testimony before the forward pass.
        mode: name of the gradient mode, for the message.

    Raises:
        OptionError: it is another one now.
    """
    if testimony(field) != before:
        raise OptionError(
            "f writes to its own buffers when it is evaluated, as BatchNorm and spectral_norm do in training, and "
            f"gradient={mode!r} evaluates it again in the backward pass; call f.eval() before the solve, or use "
            "gradient='direct'"
        )


def refuse_changed(field: VectorField, before: tuple[object, ...], mode: str) -> None:
    """Refuse a backward pass through a function that is no longer the one that was solved.

    Args:
        field: the right-hand side.
        before: the testimony after the forward pass.
        mode: name of the gradient mode, for the message.

    Raises:
        OptionError: it is another one now.
    """
    if testimony(field) != before:
        raise OptionError(
            f"f was changed between the solve and backward() (a buffer, or train() or eval()), and gradient={mode!r} "
            "evaluates it again in the backward pass; call backward() before the change, or solve again"
        )
