"""Summation-by-parts differences with simultaneous approximation terms (SBP-SAT) between two walls."""

from .operator import SummationByParts

__all__ = ["SummationByParts"]
