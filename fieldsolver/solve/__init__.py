"""Solving declared equations and plain functions, and explaining what is known of them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .checkpoint import Checkpoint
from .explain import Explanation, explain
from .solution import Solution, SolveStatistics
from .solve import solve
from .stepper import StepState, init, step

if TYPE_CHECKING:
    from .fitting import FitResult, LogNormal, Normal, fit

__all__ = [
    "Checkpoint",
    "Explanation",
    "FitResult",
    "LogNormal",
    "Normal",
    "Solution",
    "SolveStatistics",
    "StepState",
    "explain",
    "fit",
    "init",
    "solve",
    "step",
]


def __getattr__(name: str) -> Any:
    """Fitting is the largest part of this room and the one least often needed: it loads when first asked for."""
    if name in ("FitResult", "LogNormal", "Normal", "fit"):
        return getattr(importlib.import_module(".fitting", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
