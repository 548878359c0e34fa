"""fieldsolver: declare a field equation once; solve it, train it, analyse it, stack it as a neural layer."""

from __future__ import annotations

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
from .solve import Explanation, FitResult, Solution, explain, fit, solve
from .space import Dirichlet, Grid, Kernel, Neumann, Periodic, Robin
from .stepping import Status

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
