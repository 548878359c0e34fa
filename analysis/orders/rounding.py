"""The floor that the round-off of a short number format puts under a ladder of errors."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fieldsolver.results import AnalysisResult, Verdict

DOUBLE = 1e-12
"""Formats that round below this are double precision, whose floor a ladder shows by itself."""


def rounding_floor(state: Tensor, steps: float) -> float | None:
    """Round-off of a state of float32 or shorter after so many steps; None for double precision.

    Every step rounds once, by up to half a unit of the last place: ``eps max|y| sqrt(N)`` where these roundings are
    independent (Higham 2002, section 2.8).
    """
    kind = state.dtype
    if not (kind.is_floating_point or kind.is_complex) or torch.finfo(kind).eps < DOUBLE:
        return None
    size = float(state.abs().max()) if state.numel() else 0.0
    return float(torch.finfo(kind).eps) * (size if math.isfinite(size) else 0.0) * math.sqrt(max(1.0, steps))


def told_of_rounding(result: AnalysisResult, state: Tensor, floor: float | None) -> AnalysisResult:
    """Where that floor limits a study: say so, and do not send the user to finer steps."""
    if floor is None or result.status is Verdict.PASS:
        return result
    kind = str(state.dtype).removeprefix("torch.")
    errors = result.dataset["error"].values
    words = f"the state is {kind}, whose round-off here is about {floor:.1g}"
    if not (errors < 10 * floor).any():
        reason = f"{result.reason} ({words})"
        return _judged(result, result.status, reason)
    reason = f"{words} and reaches the finest errors: pass a float64 state, or coarser levels; so far {result.reason}"
    status = Verdict.ROUNDOFF_LIMITED
    if result.status is Verdict.FAIL and int(result.dataset["used"].sum()) >= 3:
        status = Verdict.FAIL  # judged by the levels above it alone
    return _judged(result, status, reason)


def _judged(result: AnalysisResult, status: Verdict, reason: str) -> AnalysisResult:
    return AnalysisResult(result.dataset, status, reason, result.schema)  # keeps the provenance
