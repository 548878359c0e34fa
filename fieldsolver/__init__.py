"""fieldsolver: declare a field equation once; solve it, train it, analyse it, stack it as a neural layer."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import nn
from ._version import __version__
from .equations import Field, FieldEquation, Nonlocal, Parameter, PerSample, Signal, Spatial, Symbols, System
from .errors import (
    BoundaryError,
    EquationError,
    FieldSolverError,
    FieldSolverWarning,
    FileFormatError,
    GridError,
    OptionError,
    ParameterError,
    SolveFailed,
    StabilityError,
    StateError,
)
from .solve import Explanation, Solution, explain, solve
from .space import Dirichlet, Grid, Kernel, Neumann, Periodic, Robin
from .stepping import Status

if TYPE_CHECKING:
    from .solve import FitResult, fit

__all__ = [
    "BoundaryError",
    "Dirichlet",
    "EquationError",
    "Explanation",
    "Field",
    "FieldEquation",
    "FieldSolverError",
    "FieldSolverWarning",
    "FileFormatError",
    "FitResult",
    "Grid",
    "GridError",
    "Kernel",
    "Neumann",
    "Nonlocal",
    "OptionError",
    "Parameter",
    "ParameterError",
    "PerSample",
    "Periodic",
    "Robin",
    "Signal",
    "Solution",
    "SolveFailed",
    "Spatial",
    "StabilityError",
    "StateError",
    "Status",
    "Symbols",
    "System",
    "__version__",
    "explain",
    "fit",
    "nn",
    "solve",
]


def __getattr__(name: str) -> Any:
    """What is heavy to import and not always needed loads when first asked for."""
    if name in ("FitResult", "fit"):
        return getattr(importlib.import_module(".solve.fitting", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
