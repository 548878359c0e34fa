"""Solving declared equations and plain functions, and explaining what is known of them."""

from .explain import Explanation, explain
from .solution import Solution, SolveStatistics
from .solve import solve

__all__ = ["Explanation", "Solution", "SolveStatistics", "explain", "solve"]
