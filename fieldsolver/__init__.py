"""fieldsolver: declare a field equation once; solve it, train it, analyse it, stack it as a neural layer."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import gradients, nn
from ._version import __version__
from .compat import odeint, odeint_adjoint, odeint_event
from .equations import Event, Field, FieldEquation, Nonlocal, Parameter, PerSample, Signal, Spatial, Symbols, System
from .errors import (
    BoundaryError,
    ConvergenceError,
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
from .solve import Checkpoint, Explanation, Solution, StepState, explain, init, solve, step
from .space import (
    Absorbing,
    AntiPeriodic,
    Clustered,
    Dirichlet,
    FiniteDifference,
    Graph,
    Grid,
    Kernel,
    Neumann,
    Periodic,
    Robin,
    Spectral,
)
from .stepping import CompiledMethod, Status, SteadyState

if TYPE_CHECKING:
    from .solve import FitResult, fit
    from .space.metric import LearnedMetric, Metric

__all__ = [
    "Absorbing",
    "AntiPeriodic",
    "BoundaryError",
    "Checkpoint",
    "Clustered",
    "CompiledMethod",
    "ConvergenceError",
    "Dirichlet",
    "EquationError",
    "Event",
    "Explanation",
    "Field",
    "FieldEquation",
    "FieldSolverError",
    "FieldSolverWarning",
    "FileFormatError",
    "FiniteDifference",
    "FitResult",
    "Graph",
    "Grid",
    "GridError",
    "Kernel",
    "LearnedMetric",
    "Metric",
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
    "Spectral",
    "StabilityError",
    "StateError",
    "Status",
    "SteadyState",
    "StepState",
    "Symbols",
    "System",
    "__version__",
    "explain",
    "fit",
    "gradients",
    "init",
    "nn",
    "odeint",
    "odeint_adjoint",
    "odeint_event",
    "solve",
    "step",
]


def __getattr__(name: str) -> Any:
    """What is heavy to import and not always needed loads when first asked for."""
    if name in ("FitResult", "fit"):
        return getattr(importlib.import_module(".solve.fitting", __name__), name)
    if name in ("LearnedMetric", "Metric"):
        return getattr(importlib.import_module(".space.metric", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
