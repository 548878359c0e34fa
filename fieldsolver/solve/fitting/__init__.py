"""Parameters and initial values of a declared equation from observations, with intervals."""

from .fit import fit
from .priors import LogNormal, Normal
from .result import FitResult

__all__ = ["FitResult", "LogNormal", "Normal", "fit"]
