"""What keeps a check from judging: a layer that does not run, does not repeat, or returns no numbers.

A random layer would seem to read the future or its neighbours, and NaN differs from everything, itself included. So
checks look for these first and give them as the reason.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fieldsolver.errors import OptionError

from .comparison import THRESHOLDS, change, worst
from .example import Example
from .subject import Subject
from .unfit_error import UnfitError

ROUND_OFF = max(THRESHOLDS.values())
"""Limit of the difference of two calls in dtypes without a usual threshold."""

IN_PLACE = "the layer changes its input in place; let it work on a copy (x = x.clone())"


def obstacle(layer: nn.Module, example: Example, *, wake: float = 0.0, seed: int = 0) -> str | None:
    """Why nothing can be concluded from calls in evaluation mode; None where something can.

    Args:
        layer: any module; copied.
        example: its input.
        wake: size of parameters that are all zero, as the check has them.
        seed: of random numbers.

    Raises:
        UnfitError: the layer does not run on the example.
        OptionError: what the layer returns.
    """
    subject, x = Subject(layer, example, wake=wake, seed=seed), example.plain()
    lent = x.clone()
    with torch.no_grad():
        first = _run(subject, lent).clone()
        if not _same(lent, x):
            return IN_PLACE
        if reason := not_finite(first):
            return reason
        apart = worst([change(subject(x), first), change(subject(x, seed=seed + 1), first)])
    if not apart <= THRESHOLDS.get(first.dtype, ROUND_OFF):
        return f"the layer is not deterministic: calls with the same input differ by {apart:.2g} of the output"
    return None


def changed_input(layer: nn.Module, example: Example, *, seed: int = 0) -> str | None:
    """Whether the layer changes its input in place, which backward passes cannot cope with; None where it does not."""
    lent = example.plain().clone()
    with torch.no_grad():
        _run(Subject(layer, example, seed=seed), lent)
    return None if _same(lent, example.plain()) else IN_PLACE


def not_finite(output: Tensor) -> str | None:
    """How many numbers are NaN or infinite; None where none is."""
    bad = int((~torch.isfinite(output)).sum())
    return f"the output is not finite ({bad} of its {output.numel()} numbers are NaN or infinite)" if bad else None


def _same(a: Tensor, b: Tensor) -> bool:
    """Bitwise, where NaN equals NaN."""
    return torch.equal(torch.nan_to_num(a), torch.nan_to_num(b))


def _run(subject: Subject, lent: Tensor) -> Tensor:
    try:
        return subject(lent, lent=True)
    except OptionError:
        raise
    except Exception as error:
        shape = tuple(lent.shape)
        raise UnfitError(
            f"the layer does not run on the example of shape {shape} ({type(error).__name__}: {error})"
        ) from error
