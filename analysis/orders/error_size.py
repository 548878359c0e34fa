"""How far two states are apart: the one number of a convergence study."""

from __future__ import annotations

from torch import Tensor

from fieldsolver.errors import OptionError, StateError, listing

NORMS = ("max", "rms")


def error_size(computed: Tensor, wanted: Tensor, norm: str) -> float:
    """``max |a - b|``, or the root mean square of ``|a - b|`` over all entries."""
    if norm not in NORMS:
        raise OptionError(f"norm is one of {listing(NORMS)}, got {norm!r}")
    if computed.shape != wanted.shape:
        raise StateError(f"the exact solution has shape {tuple(wanted.shape)}, expected {tuple(computed.shape)}")
    difference = (computed - wanted.to(computed.device)).abs()
    if norm == "max":
        return float(difference.max())
    return float(difference.square().mean().sqrt())
