"""What is known of an equation from its declaration alone: its linear part, and where its spectrum lies."""

from .affine import LinearTerm, Remainder, split
from .linear_part import LinearPart, TermReport, linear_part
from .spectra import Bound

__all__ = ["Bound", "LinearPart", "LinearTerm", "Remainder", "TermReport", "linear_part", "split"]
