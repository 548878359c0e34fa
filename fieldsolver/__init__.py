"""fieldsolver: declare a field equation once; solve it, train it, analyse it, stack it as a neural layer."""

from __future__ import annotations

from . import nn
from ._version import __version__
from .equations import FieldEquation, Parameter, PerSample, Spatial
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
from .space import Dirichlet, Grid, Neumann, Periodic, Robin
from .stepping import Status

__all__ = [
    "BoundaryError",
    "Dirichlet",
    "EquationError",
    "Explanation",
    "FieldEquation",
    "FieldSolverError",
    "FieldSolverWarning",
    "FileFormatError",
    "FitResult",
    "Grid",
    "GridError",
    "Neumann",
    "OptionError",
    "Parameter",
    "ParameterError",
    "PerSample",
    "Periodic",
    "Robin",
    "Solution",
    "SolveFailed",
    "Spatial",
    "StabilityError",
    "StateError",
    "Status",
    "__version__",
    "explain",
    "fit",
    "nn",
    "solve",
]
