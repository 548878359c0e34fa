"""Solving declared equations and plain functions, and explaining what is known of them."""

from .explain import Explanation, explain
from .fitting import FitResult, LogNormal, Normal, fit
from .solution import Solution, SolveStatistics
from .solve import solve

__all__ = [
    "Explanation",
    "FitResult",
    "LogNormal",
    "Normal",
    "Solution",
    "SolveStatistics",
    "explain",
    "fit",
    "solve",
]
